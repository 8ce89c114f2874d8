/* The system's part of child.c: child_linux.c or child_posix.c. */
#ifndef LOOP_CHILD_PRIV_H
#define LOOP_CHILD_PRIV_H

/* In a forked process: sends it SIGTERM when its parent dies, if the system can do so. */
void child_follow_parent(void);

#endif
