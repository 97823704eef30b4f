/* process.h - the children that the tool starts, and what they cost.
 *
 * Children die with the tool. Threads: main only. */
#ifndef HOLDFAST_TESTS_BENCH_PROCESS_H
#define HOLDFAST_TESTS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t now_ns(void);

/* Run argv in directory as user (NULL: as we are), its output appended to `log` there.
 * -1 if it could not be started. */
pid_t process_start(char *const argv[], const char *directory, const char *user);
/* The same, and wait for its end: true if it ended well. */
bool process_run(char *const argv[], const char *directory, const char *user);
/* Send the signal and wait for the end. */
void process_end(pid_t pid, int number);
bool process_is_alive(pid_t pid);
/* SIGKILL to all children of ours. */
void process_kill_children(void);

/* CPU seconds of the process and its children so far; of ourselves for 0. */
double process_cpu(pid_t pid);
/* Of the calling thread. */
double thread_cpu(void);
/* Proportional memory of the process and its children, bytes. */
uint64_t process_memory(pid_t pid);

/* Bytes that it and its children have made the disk write so far. */
uint64_t process_written(pid_t pid);

/* Bytes that the files below take on the disk. */
uint64_t directory_bytes(const char *path);
/* Those of them that are log, by the names that the peers give it. */
uint64_t directory_log_bytes(const char *path);
void directory_remove(const char *path);
/* Make it, owned by user (NULL: us). */
bool directory_make(const char *path, const char *user);

/* A blocking connection to loopback, trying for seconds. -1: nobody answers. */
int tcp_connect(int port, double seconds, pid_t pid);
/* A port that nobody uses now. */
int tcp_free_port(void);
bool write_all(int fd, const void *data, size_t size);
bool read_all(int fd, void *data, size_t size);

#endif
