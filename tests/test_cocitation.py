from classifier.cocitation import cocited_works
from classifier.schema import CitationContext, CitedWork, CitingWork, CocitedWork, WorkIds

HUB = CitedWork(hub_id="h", title="The Hub", ids=WorkIds(doi="10.1/hub"))


def citing(name, *cocited, paper=()):
    return CitingWork(
        citing_id=name, title=name, cocited=paper,
        contexts=tuple(CitationContext(text="t", cocited=(work,)) for work in cocited),
    )  # fmt: skip


def other(title, level="sentence", **ids):
    return CocitedWork(title=title, level=level, ids=WorkIds(**ids))


def test_closer_weighs_more_and_a_citing_work_counts_once_at_its_closest():
    a = citing("a", other("Near", "paper"), other("near.", "sentence"), other("Near", "paragraph"))
    b = citing("b", other("Near", "paragraph"), paper=(other("Far", "paper"),))
    near, far = cocited_works(HUB, [a, b])
    assert (near.weight, near.sentence, near.paragraph, near.paper) == (1.5, 1, 1, 0)
    assert near.citing_ids == ("a", "b")
    assert (far.title, far.weight) == ("Far", 0.25)


def test_an_identifier_joins_what_titles_keep_apart():
    works = [
        citing("a", other("A Study of X", doi="10.1/x")),
        citing("b", other("Study X (preprint)", doi="10.1/X", arxiv_id="2401.00001")),
        citing("c", other("a study of x")),
        citing("d", other("Something else", arxiv_id="2401.00001")),
    ]
    (found,) = cocited_works(HUB, works)
    assert found.sentence == 4
    assert found.ids == WorkIds(doi="10.1/x", arxiv_id="2401.00001")


def test_two_names_become_one_work_as_soon_as_somebody_gives_both():
    works = [
        citing("a", other("X")),
        citing("b", other("Preprint of X", doi="10.1/x")),
        citing("c", other("x", doi="10.1/x")),
    ]
    (found,) = cocited_works(HUB, works)
    assert found.citing_ids == ("a", "b", "c")


def test_the_hub_is_not_cited_with_itself_and_nothing_gives_nothing():
    assert cocited_works(HUB, [citing("a", other("the hub"), other("Hub 2", doi="10.1/HUB"))]) == ()
    assert cocited_works(HUB, [citing("a"), citing("b", other("", "paper"))]) == ()


def test_equal_weights_stand_in_the_order_of_titles():
    found = cocited_works(HUB, [citing("a", other("Zeta"), other("Älpha"), other("beta"))])
    assert [work.title for work in found] == ["Älpha", "beta", "Zeta"]
