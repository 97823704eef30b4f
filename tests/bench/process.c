#include "tests/bench/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Who runs as a user of its own is PostgreSQL, whose processes and shared memory only
 * itself can put away; it does so at once on SIGQUIT. */
static void child(char *const argv[], const char *directory, const char *user)
{
    struct passwd *as = user && getuid() == 0 ? getpwnam(user) : NULL;
    int log, at_our_end = user ? SIGQUIT : SIGKILL;

    prctl(PR_SET_PDEATHSIG, at_our_end);
    if (chdir(directory) != 0)
        _exit(126);
    if (as && (initgroups(user, as->pw_gid) != 0 || setgid(as->pw_gid) != 0 ||
               setuid(as->pw_uid) != 0))
        _exit(126);
    if (as)
        prctl(PR_SET_PDEATHSIG, at_our_end); /* changing the user has cleared it */
    log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) {
        dup2(log, 1);
        dup2(log, 2);
    }
    dup2(open("/dev/null", O_RDONLY), 0);
    execvp(argv[0], argv);
    _exit(127);
}

pid_t process_start(char *const argv[], const char *directory, const char *user)
{
    pid_t pid = fork();

    if (pid == 0)
        child(argv, directory, user);
    return pid;
}

bool process_run(char *const argv[], const char *directory, const char *user)
{
    pid_t pid = process_start(argv, directory, user);
    int status = -1;

    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void process_end(pid_t pid, int number)
{
    if (pid <= 0)
        return;
    kill(pid, number);
    waitpid(pid, NULL, 0);
}

bool process_is_alive(pid_t pid)
{
    return pid > 0 && waitpid(pid, NULL, WNOHANG) == 0;
}

/* /proc/PID/stat after the name in brackets: the parent is the 2nd field, user and
 * system time the 12th and 13th, those of children waited for the two after. */
static bool stat_read(pid_t pid, pid_t *parent, double *cpu)
{
    char path[64], text[1024], *at;
    unsigned long user, system, child_user, child_system;
    FILE *f;
    size_t size;
    int up;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = 0;
    at = strrchr(text, ')');
    if (!at || sscanf(at + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &up,
                      &user, &system, &child_user, &child_system) != 5)
        return false;
    *parent = up;
    *cpu = (double)(user + system + child_user + child_system) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

/* What anybody may read, where the other is for the owner only. */
static uint64_t resident_read(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    f = fopen(path, "r");
    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t memory_read(pid_t pid)
{
    char path[64], line[256];
    unsigned long kilobytes = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return resident_read(pid);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "Pss: %lu kB", &kilobytes) == 1)
            break;
    }
    fclose(f);
    return (uint64_t)kilobytes * 1024;
}

static uint64_t written_read(pid_t pid)
{
    char path[64], line[256];
    unsigned long long bytes = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "write_bytes: %llu", &bytes) != 1)
        continue;
    if (f)
        fclose(f);
    return bytes;
}

/* Add up over the process and its children (PostgreSQL has one for each connection). */
static void tree_sum(pid_t root, double *cpu, uint64_t *memory, uint64_t *written)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        pid_t pid = atoi(entry->d_name), parent;
        double used;

        if (pid <= 0 || !stat_read(pid, &parent, &used) || (pid != root && parent != root))
            continue;
        *cpu += used;
        if (memory)
            *memory += memory_read(pid);
        if (written)
            *written += written_read(pid);
    }
    if (d)
        closedir(d);
}

static double used_cpu(int whose)
{
    struct rusage u;

    getrusage(whose, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void process_kill_children(void)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        pid_t pid = atoi(entry->d_name), parent;
        double used;

        if (pid > 0 && stat_read(pid, &parent, &used) && parent == getpid())
            kill(pid, SIGKILL);
    }
    if (d)
        closedir(d);
}

double process_cpu(pid_t pid)
{
    double cpu = 0;

    if (pid == 0)
        return used_cpu(RUSAGE_SELF);
    tree_sum(pid, &cpu, NULL, NULL);
    return cpu;
}

double thread_cpu(void)
{
    return used_cpu(RUSAGE_THREAD);
}

uint64_t process_memory(pid_t pid)
{
    double cpu = 0;
    uint64_t memory = 0;

    if (pid == 0)
        return memory_read(getpid());
    tree_sum(pid, &cpu, &memory, NULL);
    return memory;
}

uint64_t process_written(pid_t pid)
{
    double cpu = 0;
    uint64_t written = 0;

    if (pid == 0)
        return written_read(getpid());
    tree_sum(pid, &cpu, NULL, &written);
    return written;
}

static uint64_t walked_bytes, walked_log_bytes;

/* Holdfast and RocksDB, PostgreSQL, Tarantool. */
static bool is_log(const char *path)
{
    const char *end = strrchr(path, '.');

    return strstr(path, "/wal/") || strstr(path, "/pg_wal/") ||
           (end && (strcmp(end, ".xlog") == 0 || strcmp(end, ".log") == 0));
}

static int add_file(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_F)
        walked_bytes += (uint64_t)s->st_blocks * 512;
    if (type == FTW_F && is_log(path))
        walked_log_bytes += (uint64_t)s->st_blocks * 512;
    return 0;
}

static int remove_file(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s;
    (void)type;
    (void)at;
    return remove(path);
}

uint64_t directory_bytes(const char *path)
{
    walked_bytes = walked_log_bytes = 0;
    nftw(path, add_file, 32, FTW_PHYS);
    return walked_bytes;
}

uint64_t directory_log_bytes(const char *path)
{
    directory_bytes(path);
    return walked_log_bytes;
}

void directory_remove(const char *path)
{
    nftw(path, remove_file, 32, FTW_PHYS | FTW_DEPTH);
}

bool directory_make(const char *path, const char *user)
{
    struct passwd *as = user && getuid() == 0 ? getpwnam(user) : NULL;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return false;
    return !as || chown(path, as->pw_uid, as->pw_gid) == 0;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

int tcp_connect(int port, double seconds, pid_t pid)
{
    struct sockaddr_in a = loopback(port);
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);

    do {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        if (pid > 0 && !process_is_alive(pid))
            return -1;
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    } while (now_ns() < until);
    return -1;
}

int tcp_free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        a.sin_port = 0;
    close(fd);
    return ntohs(a.sin_port);
}

bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool read_all(int fd, void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        ssize_t n = read(fd, at, size);

        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}
