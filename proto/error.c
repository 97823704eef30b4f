#include "proto/error.h"

static const struct {
    const char *name;
    int code;
    enum err_class class;
    bool retryable;
    const char *message;
} err_table[ERR_COUNT] = {
#define X(err_name_, code_, class_, retryable_, message_) \
    {#err_name_, code_, ERR_CLASS_##class_, retryable_, message_},
    ERR_LIST(X)
#undef X
};

const char *err_name(enum err e)
{
    return err_table[e].name;
}

int err_code(enum err e)
{
    return err_table[e].code;
}

const char *err_message(enum err e)
{
    return err_table[e].message;
}

enum err_class err_class(enum err e)
{
    return err_table[e].class;
}

const char *err_class_name(enum err e)
{
    static const char *const names[] = {
        [ERR_CLASS_NONE] = "none",       [ERR_CLASS_REQUEST] = "request",
        [ERR_CLASS_AUTH] = "auth",       [ERR_CLASS_CONFLICT] = "conflict",
        [ERR_CLASS_LIMIT] = "limit",     [ERR_CLASS_UNAVAIL] = "unavailable",
        [ERR_CLASS_STORAGE] = "storage", [ERR_CLASS_INTERNAL] = "internal",
    };

    return names[err_table[e].class];
}

bool err_retryable(enum err e)
{
    return err_table[e].retryable;
}
