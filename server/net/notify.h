/* notify.h - telling the service manager (NOTIFY_SOCKET) how we are.
 *
 * Nothing happens where there is none. */
#ifndef HOLDFAST_NET_NOTIFY_H
#define HOLDFAST_NET_NOTIFY_H

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
