from rowmill.core.suggest import did_you_mean, listing


def test_the_nearest_name_is_offered_whatever_its_case() -> None:
    assert did_you_mean("REVEIW", ["Stars", "Review"]) == "Did you mean 'Review'?"


def test_nothing_is_offered_where_nothing_is_near() -> None:
    assert did_you_mean("zzz", ["Stars", "Review"]) == ""


def test_a_long_list_is_cut() -> None:
    assert listing(["a", "b"]) == "'a', 'b'"
    assert listing([]) == "none"
    assert listing(map(str, range(30))).endswith("'19' and 10 more")
