"""The cases of stress.py in a short form: a few seconds in all, and small limits of the daemon,
so that each passes through its stages, its log and its cache many times."""
import stress

SHORT = stress.Size(0.01, 1.0)


def test_a_transaction_larger_than_memory_for_linking():
    stress.transaction_larger_than_memory_for_linking(SHORT)


def test_a_transaction_of_many_records():
    stress.transaction_of_a_million_records(SHORT)


def test_a_run_of_one_large_message_stalls_nobody():
    stress.run_of_one_message(SHORT)


def test_a_key_updated_again_and_again_with_old_readers_open():
    stress.key_updated_a_million_times(SHORT)


def test_a_store_cleared_and_dropped_under_a_reader():
    stress.store_cleared_and_dropped_under_a_reader(SHORT)


def test_many_records_with_a_small_cache():
    stress.many_records_with_a_small_cache(SHORT)


def test_the_file_settles_after_three_full_rewrites():
    stress.three_full_rewrites(SHORT)


def test_eight_idle_readers_in_eight_stages_stop_nothing():
    stress.eight_idle_readers_in_eight_stages(SHORT)


def test_an_old_writer_is_judged_exactly_and_keeps_little():
    stress.old_writer_across_millions_of_writes(SHORT)


def test_an_old_writer_is_judged_exactly_by_ledgers_on_disk():
    stress.old_writer_with_ledgers_on_disk(SHORT)


def test_very_many_small_commits_give_their_memory_back():
    stress.many_small_commits(SHORT)
