/* executors.c - which function is which method. */
#include "server/net/executors.h"

#include "server/net/execute.h"

execute *const executors[METHOD_COUNT] = {
    [METHOD_HELLO] = execute_hello,
    [METHOD_DESCRIBE] = execute_describe,
    [METHOD_PING] = execute_ping,
    [METHOD_BEGIN] = execute_begin,
    [METHOD_COMMIT] = execute_commit,
    [METHOD_ROLLBACK] = execute_rollback,
    [METHOD_RUN] = execute_run,
    [METHOD_CREATE_STORE] = execute_create_store,
    [METHOD_DROP_STORE] = execute_drop_store,
    [METHOD_CLEAR_STORE] = execute_clear_store,
    [METHOD_RENAME_STORE] = execute_rename_store,
    [METHOD_STORES] = execute_stores,
    [METHOD_PUT] = execute_put,
    [METHOD_INSERT] = execute_insert,
    [METHOD_UPDATE] = execute_update,
    [METHOD_DELETE] = execute_delete,
    [METHOD_GET] = execute_get,
    [METHOD_HAS] = execute_has,
    [METHOD_GET_MANY] = execute_get_many,
    [METHOD_SCAN] = execute_scan,
    [METHOD_NEXT] = execute_next,
    [METHOD_CLOSE] = execute_close,
    [METHOD_COUNT_RECORDS] = execute_count,
    [METHOD_SIZE] = execute_size,
    [METHOD_DELETE_RANGE] = execute_delete_range,
    [METHOD_STATUS] = execute_status,
    [METHOD_HOLDS] = execute_holds,
    [METHOD_CLIENTS] = execute_clients,
    [METHOD_KILL] = execute_kill,
    [METHOD_ROTATE] = execute_rotate,
    [METHOD_AMALGAMATE] = execute_amalgamate,
};
