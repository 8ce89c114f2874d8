/* The status codes of answers, and their names for a person. */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

/* "Not Found" for 404; "Unknown" for what we never send. Never NULL. */
const char *http_status_name(unsigned status);

#endif
