"""The table in memory and the emulator's two ways answer alike, and as DynamoDB documents it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from aistratus_contracts.table import RECENCY_ATTRIBUTE, RECENCY_INDEX, TTL_ATTRIBUTE
from support.conformance import TableSide

Item = dict[str, Any]

VALIDATION = "ValidationException"
CHECK_FAILED = "ConditionalCheckFailedException"
CANCELED = "TransactionCanceledException"
VALUES: Item = {
    ":x": {"S": "x"},
    ":y": {"S": "y"},
    ":on": {"S": "on"},
    ":four": {"N": "4"},
    ":five": {"N": "5"},
    ":five_point_zero": {"N": "5.0"},
    ":ten": {"N": "10"},
    ":true": {"BOOL": True},
    ":false": {"BOOL": False},
}
NAMES = {"#state": "state", "#n": "n"}
STORED: Item = {
    "n": {"N": "5"},
    "word": {"S": "xyz"},
    "flag": {"BOOL": True},
    "state": {"S": "on"},
}


def naming(*texts: str) -> Item:
    """What the placeholders in these expressions stand for."""
    used = set(re.findall(r"[#:]\w+", " ".join(texts)))
    names = {word: NAMES[word] for word in used & NAMES.keys()}
    values = {word: VALUES[word] for word in used & VALUES.keys()}
    return {
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def update(text: str, condition: str = "", sk: str = "a", **more: Any) -> Item:
    """The parameters of an UpdateItem."""
    asked = {"Key": {"sk": {"S": sk}}, "UpdateExpression": text, **naming(text, condition)}
    return {**asked, **({"ConditionExpression": condition} if condition else {}), **more}


def put(sk: str, **attributes: Any) -> Item:
    return {"Put": {"Item": {"sk": {"S": sk}, **attributes}}}


def codes(reasons: Sequence[Item]) -> list[str]:
    return [reason["Code"] for reason in reasons]


# --- conditions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "of_stored", "of_none"),
    [
        ("attribute_exists(pk)", True, False),
        ("attribute_not_exists(pk)", False, True),
        ("attribute_exists(gone)", False, False),
        ("attribute_not_exists(gone)", True, True),
        ("n = :five", True, False),
        ("n = :five_point_zero", True, False),
        ("n = :x", False, False),
        ("n <> :five", False, True),
        ("n <> :x", True, True),
        ("n < :five", False, False),
        ("n < :ten", True, False),
        ("n <= :five", True, False),
        ("n > :four", True, False),
        ("n >= :ten", False, False),
        ("n BETWEEN :four AND :five", True, False),
        ("n BETWEEN :four AND :ten AND word = :x", False, False),
        ("word < :y", True, False),
        ("begins_with(word, :x)", True, False),
        ("begins_with(word, :y)", False, False),
        ("begins_with(gone, :x)", False, False),
        ("flag = :true", True, False),
        ("flag = :false", False, False),
        ("#state = :on AND #n = :five", True, False),
        ("#state = :on AND #n = :four", False, False),
        ("attribute_not_exists(gone) AND n = :five", True, False),
        ("attribute_not_exists(n) OR n < :ten", True, True),
        ("attribute_exists(pk) AND attribute_not_exists(gone) OR n = :four", True, False),
        ("attribute_exists(pk) OR attribute_exists(pk) AND n = :four", True, False),
    ],
)
def test_a_condition_decides_each_kind_of_write(
    side: TableSide, condition: str, of_stored: bool, of_none: bool
) -> None:
    asked = {"ConditionExpression": condition, **naming(condition)}
    for sk, holds in (("stored", of_stored), ("none", of_none)):
        key = {"sk": {"S": sk}}
        for kind, call in (
            ("update_item", update("SET mark = :y", condition, sk)),
            ("delete_item", {"Key": key, **asked}),
            ("put_item", {"Item": {**key, "mark": {"S": "y"}}, **asked}),
        ):
            side.put("stored", **STORED)
            side.ask("delete_item", Key={"sk": {"S": "none"}})
            before = side.get(sk)
            answer = side.ask(kind, **call)
            assert (answer == CHECK_FAILED) is not holds, kind
            assert (side.get(sk) == before) is not holds or kind == "delete_item", kind
        side.put("stored", **STORED)
        side.ask("delete_item", Key={"sk": {"S": "none"}})
        code, reasons = side.write({"Delete": {"Key": key, **asked}}, put("beside"))
        wanted = [] if holds else ["ConditionalCheckFailed", "None"]
        assert (code, codes(reasons)) == ("" if holds else CANCELED, wanted)
        assert (side.get("beside") is None) is not holds
        side.ask("delete_item", Key={"sk": {"S": "beside"}})


# --- refusals -----------------------------------------------------------------------------

LONG = {"S": "x" * 2049}
BIG = {"S": "x" * 409_600}
KEY: Item = {"sk": {"S": "a"}}
PK = {":pk": {"S": "P"}}


def query(condition: str, **more: Any) -> Item:
    values = {**PK, **naming(condition).get("ExpressionAttributeValues", {})}
    asked = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}
    return {**asked, **more}


REFUSALS: dict[str, tuple[str, Item]] = {
    "a value that is not used": (
        "update_item",
        update("SET n = :five", ExpressionAttributeValues={**VALUES}),
    ),
    "a name that is not used": (
        "update_item",
        update("SET n = :five", ExpressionAttributeNames=NAMES),
    ),
    "a value of a query that is not used": (
        "query",
        query("pk = :pk", ExpressionAttributeValues={**PK, ":x": {"S": "x"}}),
    ),
    "a value that is not given": ("update_item", update("SET n = :nothing")),
    "a name that is not given": ("update_item", update("SET #nothing = :five")),
    "values without an expression": (
        "put_item",
        {"Item": KEY, "ExpressionAttributeValues": {":x": {"S": "x"}}},
    ),
    "no values": ("put_item", {"Item": KEY, "ExpressionAttributeValues": {}}),
    "a reserved word in a condition": ("update_item", update("SET n = :five", "state = :on")),
    "a reserved word in an update": ("update_item", update("SET state = :on")),
    "a reserved word in a projection": (
        "query",
        query("pk = :pk", ProjectionExpression="pk, state"),
    ),
    "a change of the key": ("update_item", update("SET sk = :x")),
    "one attribute twice": ("update_item", update("SET n = :five, n = :four")),
    "one attribute twice, once by another name": (
        "update_item",
        update("SET #n = :five ADD n :four"),
    ),
    "a number added to a text": ("update_item", update("ADD word :five")),
    "a boolean that is less": ("update_item", update("SET n = :five", "flag < :true")),
    "an empty key": ("put_item", {"Item": {"sk": {"S": ""}}}),
    "an empty key to update": ("update_item", update("SET n = :five", sk="")),
    "an empty key to read": ("get_item", {"Key": {"sk": {"S": ""}}}),
    "an empty key to delete": ("delete_item", {"Key": {"sk": {"S": ""}}}),
    "a number as key": ("put_item", {"Item": {"sk": {"N": "1"}}}),
    "a number as key to read": ("get_item", {"Key": {"sk": {"N": "1"}}}),
    "half a key": ("put_item", {"Item": {}}),
    "half a key to read": ("get_item", {"Key": {}}),
    "more than a key": ("get_item", {"Key": {**KEY, "n": {"N": "1"}}}),
    "more than a key to update": (
        "update_item",
        {**update("SET n = :five"), "Key": {**KEY, "m": {"N": "1"}}},
    ),
    "a long sort key": ("put_item", {"Item": {"sk": LONG}}),
    "a long partition key": ("put_item", {"Item": {"pk": LONG, **KEY}}),
    "no number": ("put_item", {"Item": {**KEY, "n": {"N": "no"}}}),
    "an index's key that is a number": (
        "put_item",
        {"Item": {**KEY, RECENCY_ATTRIBUTE: {"N": "1"}}},
    ),
    "an index's key that is empty": (
        "put_item",
        {"Item": {**KEY, RECENCY_ATTRIBUTE: {"S": ""}}},
    ),
    "an index's key updated to a number": (
        "update_item",
        update(f"SET {RECENCY_ATTRIBUTE} = :five"),
    ),
    "an index that is not there": ("query", query("pk = :pk", IndexName="nowhere")),
    "a query by what is no key": ("query", query("pk = :pk AND n = :five")),
    "a query for other keys": ("query", query("pk = :pk AND sk <> :x")),
    "a query between bounds upside down": ("query", query("pk = :pk AND sk BETWEEN :y AND :x")),
    "an item of more than 400 KB": ("put_item", {"Item": {**KEY, "text": BIG}}),
    "an update to more than 400 KB": (
        "update_item",
        update("SET big = :x", ExpressionAttributeValues={":x": BIG}),
    ),
    "one key twice in a batch of reads": ("batch_get_item", {"Requests": {"Keys": [KEY, KEY]}}),
    "101 keys in a batch of reads": (
        "batch_get_item",
        {"Requests": {"Keys": [{"sk": {"S": str(n)}} for n in range(101)]}},
    ),
    "one key twice in a batch": (
        "batch_write_item",
        {"Requests": [{"DeleteRequest": {"Key": KEY}}] * 2},
    ),
    "26 in a batch": (
        "batch_write_item",
        {"Requests": [{"DeleteRequest": {"Key": {"sk": {"S": str(n)}}}} for n in range(26)]},
    ),
}


@pytest.mark.parametrize(("method", "call"), REFUSALS.values(), ids=REFUSALS)
def test_what_dynamodb_refuses_is_refused(side: TableSide, method: str, call: Item) -> None:
    side.put("a", **STORED)
    assert side.ask(method, **call) == VALIDATION
    assert side.get("a") == STORED


@pytest.mark.parametrize("method", ["get_item", "put_item", "query", "delete_item"])
def test_a_table_that_is_not_there_is_refused(side: TableSide, method: str) -> None:
    side.name = "nowhere"
    call = {"put_item": {"Item": KEY}, "query": query("pk = :pk")}.get(method, {"Key": KEY})
    assert side.ask(method, **call) == "ResourceNotFoundException"


def test_an_item_may_have_400_kilobytes(side: TableSide) -> None:
    others = len(f"pk{side.pk}skagrößeé".encode())
    text = "é" + "x" * (409_600 - others)
    side.put("a", größe={"S": text})
    assert side.get("a") == {"größe": {"S": text}}
    more = {"Item": {**KEY, "größe": {"S": f"{text}x"}}}
    assert side.ask("put_item", **more) == VALIDATION


# --- what writes do -----------------------------------------------------------------------


def test_an_update_makes_the_item_that_is_not_there(side: TableSide) -> None:
    side.ask("update_item", **update("SET word = :x ADD n :five"))
    assert side.get("a") == {"word": {"S": "x"}, "n": {"N": "5"}}
    side.ask("update_item", **update("ADD n :ten"))
    assert side.get("a") == {"word": {"S": "x"}, "n": {"N": "15"}}


def test_a_put_replaces_all_of_an_item(side: TableSide) -> None:
    side.put("a", **STORED)
    side.put("a", n={"N": "1"})
    assert side.get("a") == {"n": {"N": "1"}}


def test_a_delete_gives_the_old_item_if_asked(side: TableSide) -> None:
    side.put("a", **STORED)
    answer = side.ask("delete_item", Key=KEY, ReturnValues="ALL_OLD")
    assert answer["Attributes"] == {"pk": {"S": side.pk}, **KEY, **STORED}
    assert "Attributes" not in side.ask("delete_item", Key=KEY, ReturnValues="ALL_OLD")


def test_a_refused_write_shows_the_item_if_asked(side: TableSide) -> None:
    side.put("a", **STORED)
    for wants, item in (("ALL_OLD", {"pk": {"S": side.pk}, **KEY, **STORED}), ("NONE", None)):
        call = update("SET n = :ten", "n = :four", ReturnValuesOnConditionCheckFailure=wants)
        with pytest.raises(ClientError) as caught:
            side.client.update_item(TableName=side.name, **side._with_partition(call))
        response: Any = caught.value.response
        assert response.get("Item") == item
        _, reasons = side.write({"Update": call})
        assert [reason.get("Item") for reason in reasons] == [item]


def test_batches_write_and_read_what_is_there(side: TableSide) -> None:
    puts = [{"PutRequest": {"Item": {"sk": {"S": str(n)}, **STORED}}} for n in range(3)]
    side.ask("batch_write_item", Requests=puts)
    keys: list[Item] = [{"sk": {"S": sk}} for sk in ("0", "2", "gone")]
    asked = {
        "Keys": keys,
        "ConsistentRead": True,
        "ProjectionExpression": "sk, #state",
        "ExpressionAttributeNames": {"#state": "state"},
    }
    found = side.ask("batch_get_item", Requests=asked)["Responses"][side.name]
    assert sorted(found, key=lambda item: str(item["sk"])) == [
        {"sk": {"S": "0"}, "state": {"S": "on"}},
        {"sk": {"S": "2"}, "state": {"S": "on"}},
    ]
    side.ask("batch_write_item", Requests=[{"DeleteRequest": {"Key": key}} for key in keys])
    assert [item["sk"]["S"] for item in side.query()["Items"]] == ["1"]


def test_an_item_past_its_time_is_there_until_it_is_deleted(side: TableSide) -> None:
    """DynamoDB deletes expired items within days; until then reads show them."""
    side.put("a", **{TTL_ATTRIBUTE: {"N": "1"}})
    assert side.get("a") is not None
    assert len(side.query()["Items"]) == 1


# --- transactions -------------------------------------------------------------------------


def test_a_transaction_gives_each_item_s_reason_and_writes_nothing(side: TableSide) -> None:
    side.put("a", **STORED)
    code, reasons = side.write(
        put("new"),
        {"Update": update("SET n = :ten", "n = :four")},
        {"Update": update("ADD word :five", sk="b")},
        {"Delete": {"Key": {"sk": {"S": "c"}}}},
    )
    assert code == CANCELED
    assert codes(reasons) == ["None", "ConditionalCheckFailed", "None", "None"]
    assert (side.get("a"), side.get("new"), side.get("b")) == (STORED, None, None)


def test_a_transaction_with_an_update_that_does_not_fit_is_cancelled(side: TableSide) -> None:
    side.put("a", **STORED)
    big = update("SET big = :x", sk="b", ExpressionAttributeValues={":x": {"S": "x" * 409_500}})
    side.ask("update_item", **big)
    more = update("SET more = :x", sk="b", ExpressionAttributeValues={":x": {"S": "x" * 200}})
    for wrong in (update("ADD word :five"), more):
        code, reasons = side.write(put("new"), {"Update": wrong})
        assert (code, codes(reasons)) == (CANCELED, ["None", "ValidationError"])
        assert side.get("new") is None


WRONG_TRANSACTIONS: dict[str, list[Item]] = {
    "one item twice": [put("a"), {"Delete": {"Key": KEY}}],
    "101 items": [put(str(number)) for number in range(101)],
    "an empty key": [put("b"), put("")],
    "an unused value": [
        put("b"),
        {"Update": update("SET n = :five", ExpressionAttributeValues={**VALUES})},
    ],
    "a value that is not given": [put("b"), {"Update": update("SET n = :nothing")}],
    "a reserved word": [put("b"), {"Update": update("SET state = :on")}],
    "a change of the key": [put("b"), {"Update": update("SET sk = :x")}],
    "an item of more than 400 KB": [put("b"), put("c", text=BIG)],
    "more than 4 MB": [put(f"b{n}", text={"S": "x" * 400_000}) for n in range(11)],
}


@pytest.mark.parametrize("writes", WRONG_TRANSACTIONS.values(), ids=WRONG_TRANSACTIONS)
def test_a_transaction_that_is_wrong_in_itself_is_refused(
    side: TableSide, writes: list[Item]
) -> None:
    assert side.write(*writes) == (VALIDATION, [])
    assert side.query()["Items"] == []


def test_a_transaction_may_have_100_items(side: TableSide) -> None:
    assert side.write(*[put(f"{number:03d}") for number in range(100)]) == ("", [])
    assert side.query()["Count"] == 100


def test_a_transaction_sent_again_with_its_token_is_made_once(side: TableSide) -> None:
    append = {"Update": update("ADD n :five")}
    token = {"ClientRequestToken": f"token-{side.pk}"[:36]}
    assert side.write(append, **token) == side.write(append, **token) == ("", [])
    assert side.get("a") == {"n": {"N": "5"}}
    assert side.write(put("b"), **token) == ("IdempotentParameterMismatchException", [])
    assert side.get("b") is None


def test_a_transaction_that_was_refused_is_tried_anew_with_its_token(side: TableSide) -> None:
    append = {"Update": update("SET word = :x", "attribute_exists(pk)")}
    token = {"ClientRequestToken": f"token-{side.pk}"[:36]}
    assert side.write(append, **token)[0] == CANCELED
    side.put("a")
    assert side.write(append, **token) == ("", [])
    assert side.get("a") == {"word": {"S": "x"}}


# --- queries ------------------------------------------------------------------------------


def sort_keys(answer: Any) -> list[str]:
    return [item["sk"]["S"] for item in answer["Items"]]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("", "12345"),
        (" AND sk = :a", "2"),
        (" AND sk < :a", "1"),
        (" AND sk <= :a", "12"),
        (" AND sk > :a", "345"),
        (" AND sk >= :a", "2345"),
        (" AND begins_with(sk, :a)", "2"),
        (" AND sk BETWEEN :a AND :b", "234"),
        (" AND sk BETWEEN :a AND :a", None),
    ],
)
@pytest.mark.parametrize("limit", [None, 1, 2, 3, 5, 9])
def test_a_query_finds_in_order_page_by_page(
    side: TableSide, condition: str, found: str | None, limit: int | None
) -> None:
    for sk in "31542":
        side.put(sk, **STORED)
    wanted = "2" if found is None else found
    values = {word: {"S": sk} for word, sk in ((":a", "2"), (":b", "4")) if word in condition}
    more: Item = {} if limit is None else {"Limit": limit}
    for is_forward in (True, False):
        pages, after = [], dict(more)
        while True:
            answer = side.query(condition, values=values, ScanIndexForward=is_forward, **after)
            pages.append(sort_keys(answer))
            assert answer["Count"] == len(pages[-1])
            if "LastEvaluatedKey" not in answer:
                break
            assert answer["LastEvaluatedKey"] == {"pk": {"S": side.pk}, "sk": {"S": pages[-1][-1]}}
            after = {**more, "ExclusiveStartKey": answer["LastEvaluatedKey"]}
        assert "".join(sk for page in pages for sk in page) == wanted[:: 1 if is_forward else -1]
        # A page that is full says that there may be another.
        size = limit or len(wanted) + 1
        assert [len(page) for page in pages] == [size] * (len(wanted) // size) + [
            len(wanted) % size
        ]


def test_a_page_holds_one_megabyte_of_whole_items(side: TableSide) -> None:
    for number in range(6):
        side.put(str(number), text={"S": "x" * 349_000}, n={"N": "1"})
    first = side.query(ProjectionExpression="sk, n")
    assert sort_keys(first) == ["0", "1", "2"]
    assert first["Items"][0] == {"sk": {"S": "0"}, "n": {"N": "1"}}
    rest = side.query(ExclusiveStartKey=first["LastEvaluatedKey"])
    assert sort_keys(rest) == ["3", "4", "5"]
    assert "LastEvaluatedKey" not in rest


def test_the_index_holds_what_has_its_key_in_its_order(side: TableSide) -> None:
    for sk, recent in (("a", "3"), ("b", "1"), ("c", "2"), ("d", "2")):
        side.put(sk, **{RECENCY_ATTRIBUTE: {"S": recent}})
    side.put("e")
    call: Item = {"IndexName": RECENCY_INDEX, "ScanIndexForward": False}
    assert sort_keys(side.query(**call)) == ["a", "d", "c", "b"]
    page = side.query(**call, Limit=2)
    assert sort_keys(page) == ["a", "d"]
    last = {"pk": {"S": side.pk}, "sk": {"S": "d"}, RECENCY_ATTRIBUTE: {"S": "2"}}
    assert page["LastEvaluatedKey"] == last
    assert sort_keys(side.query(**call, ExclusiveStartKey=last)) == ["c", "b"]


# --- what nobody thought of ---------------------------------------------------------------

SORT_KEYS = ["EV#1", "EV#2", "META"]
PLAIN: list[Item] = [{"S": "x"}, {"S": "5"}, {"S": ""}, {"N": "5"}, {"N": "-20"}, {"BOOL": True}]
RARE: list[Item] = [
    {"NULL": True},
    {"N": "1.50"},
    {"N": "01"},
    {"N": "no"},
    {"SS": ["a"]},
    {"M": {"deep": {"L": [{"N": "1"}, {"S": "x"}]}}},
]
CHANGES = ["SET b = :n", "SET a = :n", "SET a = :n, b = :n", "ADD a :n", "SET b = :n ADD a :n"]
ODD_CHANGES = ["SET a = :n, a = :n", "SET sk = :n", "SET state = :n"]
CHOICES = ["attribute_not_exists(pk)", "attribute_exists(a)", "a = :x", "a <> :five", "#n < :ten"]


@st.composite
def conditions(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", *CHOICES]))
    while text and draw(st.booleans()):
        text += draw(st.sampled_from([" AND ", " OR "])) + draw(st.sampled_from(CHOICES))
    return text


@st.composite
def writes(draw: st.DrawFn, values: Sequence[Item]) -> Item:
    key: Item = {"sk": {"S": draw(st.sampled_from([*SORT_KEYS] * 4 + [""]))}}
    condition = draw(conditions())
    asked = {**({"ConditionExpression": condition} if condition else {}), **naming(condition)}
    kind = draw(st.sampled_from(["Put", "Put", "Update", "Delete"]))
    if kind == "Put":
        names = draw(st.sets(st.sampled_from(["a", "b", "n", RECENCY_ATTRIBUTE])))
        return {"Put": {"Item": key | {n: draw(st.sampled_from(values)) for n in names}, **asked}}
    if kind == "Update":
        change = draw(st.sampled_from(CHANGES * 3 + ODD_CHANGES))
        news = [{"N": "5"}, {"N": "-20"}] if "ADD" in change else values
        given = {**asked.get("ExpressionAttributeValues", {}), ":n": draw(st.sampled_from(news))}
        asked |= {"UpdateExpression": change, "ExpressionAttributeValues": given}
    return {kind: {"Key": key, **asked}}


@pytest.mark.parametrize("change", ODD_CHANGES)
def test_a_wrong_change_is_refused_even_where_its_condition_does_not_hold(
    side: TableSide, change: str
) -> None:
    asked = {"UpdateExpression": change, "ExpressionAttributeValues": {":n": {"S": "x"}}}
    wrong = {"Update": {"Key": KEY, "ConditionExpression": "attribute_exists(pk)", **asked}}
    assert side.write(wrong) == ("ValidationException", [])


def transactions(values: Sequence[Item]) -> st.SearchStrategy[list[list[Item]]]:
    return st.lists(st.lists(writes(values), min_size=1, max_size=3), min_size=1, max_size=8)


def check_agreement(sides: Sequence[TableSide], asked: list[list[Item]]) -> None:
    for transaction in asked:
        said = [(code, codes(why)) for code, why in (side.write(*transaction) for side in sides)]
        assert said == [said[0]] * len(sides)
        held = [[(sk, side.get(sk)) for sk in SORT_KEYS] for side in sides]
        assert held == [held[0]] * len(sides)


@given(transactions(PLAIN))
@settings(deadline=None, max_examples=40)
def test_all_agree_on_what_is_written_and_what_is_refused(
    tables: dict[str, Callable[[], TableSide]], asked: list[list[Item]]
) -> None:
    check_agreement([make() for make in tables.values()], asked)


@given(transactions([*PLAIN, *RARE]))
@settings(deadline=None, max_examples=20)
def test_the_emulator_s_two_ways_agree_on_what_the_project_does_not_write(
    tables: dict[str, Callable[[], TableSide]], asked: list[list[Item]]
) -> None:
    check_agreement([tables["short way"](), tables["moto"]()], asked)
