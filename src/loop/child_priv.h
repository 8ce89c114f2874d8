/* What child.c asks of the system: child_linux.c or child_posix.c. */
#ifndef LOOP_CHILD_PRIV_H
#define LOOP_CHILD_PRIV_H

/* In a forked process: it gets SIGTERM when its parent dies, where the system can do so. */
void child_follow_parent(void);

#endif
