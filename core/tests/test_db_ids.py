import threading

from assigntask.db import is_id, new_id


def test_ids_of_one_process_sort_in_the_order_they_were_made() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_never_make_the_same_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(2_000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_an_id_is_lowercase_version_7_text_and_nothing_else() -> None:
    good = new_id()
    assert is_id(good)
    assert good[14] == "7"
    for bad in (
        "",
        good.upper(),
        good + "\n",
        good[:-1],
        good.replace("-", ""),
        "{" + good + "}",
        good[:14] + "4" + good[15:],
        good[:19] + "c" + good[20:],
    ):
        assert not is_id(bad), bad
