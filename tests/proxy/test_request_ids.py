from pilotfish.proxy.request_ids import RequestIds


def test_no_two_requests_have_one_id_and_later_ones_sort_behind():
    ids = RequestIds()
    given = [ids.next() for _ in range(1000)]
    assert len(set(given)) == 1000
    assert given == sorted(given)
    assert {len(one) for one in given} == {20}


def test_two_proxies_share_no_ids():
    one, other = RequestIds(), RequestIds()
    assert not {one.next() for _ in range(300)} & {other.next() for _ in range(300)}
