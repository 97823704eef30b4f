#include "server/txn/db_options.h"

#include "server/storage/index_entries.h"
#include "server/storage/key.h"

void db_options_default(struct db_options *o)
{
    *o = (struct db_options){
        .stage_bytes = UINT64_C(64) << 20,
        .staged_bytes_max = UINT64_C(512) << 20,
        .held_bytes_max = UINT64_C(1) << 30,
        .held_memory_max = UINT64_C(64) << 20,
        .roots_bytes_max = UINT64_C(256) << 20,
        .txn_bytes_max = UINT64_C(1) << 30,
        .link_bytes_max = UINT64_C(2) << 20,
        .cache_bytes = UINT64_C(256) << 20,
        .page_bytes = 8192,
        .segment_bytes = UINT64_C(16) << 20,
        .catalogue_bytes_max = UINT64_C(256) << 20,
        .databases_max = 65535,
        .upgrade_begin_ms = 30000,
        .versionchange_ms = 5000,
        .open_txns_max = 65536,
        .reads_bytes_max = UINT64_C(16) << 20,
        .reads_total_max = UINT64_C(256) << 20,
        .writes_total_max = UINT64_C(2) << 30,
        .idle_ms = 3600000,
        .interval_ms = 100,
        .key_bytes_max = KEY_BYTES_MAX,
        .indexes_max = 64,
        .index_entries_max = INDEX_ENTRIES_MAX,
        .value_bytes_max = UINT64_C(4) << 20,
        .update_work_max = UINT64_C(16) << 20,
        .update_commits_max = 10000,
        .savepoints_max = 1000,
        .tokens_max = 4000000,
        .tokens_ms = 600000,
        .lock_names_max = 1000,
        .lock_waiters_max = 10000,
        .lock_wait_ms = 30000,
        .lock_idle_ms = 10000,
        .log_in_flight = 2,
        .amalgamate_percent = 400,
        .tokens_deleted_at_once = 1000,
        .client_share = 75,
        .build_share = 30,
        .slice_steps = 2000,
    };
}
