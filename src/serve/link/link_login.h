/*
 * Logins of a link server. The password is checked on the session's worker; the control
 * worker, which hears of all logins, says how long the answer waits
 * (serve/link/login_guard.h).
 */
#ifndef SERVE_LINK_LINK_LOGIN_H
#define SERVE_LINK_LINK_LOGIN_H

#include "serve/link/link_session.h"

/* The client of @s sends a login; chisel_session_login() answers it, now or later. */
void link_login_begin(struct link_session *s, struct span name, struct span password);

/* What a login of @s still holds. */
void link_login_end(struct link_session *s);

#endif
