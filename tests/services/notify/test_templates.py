"""The templates: every turn has its words, every variable its source, and every mistake is named at once.

What is checked is what a city would edit; nothing here sends anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.courier import Delivered, DeliveryFailed, Dispatched
from services.notify.providers.aliyun import Settings
from services.notify.texts.book import (
    NAMES,
    OFFICERS,
    TOLD,
    VARIANTS,
    Template,
    TemplateError,
    checked,
    filled,
    fitting,
    previewed,
)
from services.notify.texts.loading import FOLDER, load
from tests.contracts.samples import SAMPLES

TEXT = (FOLDER / "sms.zh.yaml").read_text(encoding="utf-8")
CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
APPROVED = checked(yaml.safe_load(TEXT))


def changed(name: str, **fields: object) -> Any:
    given = yaml.safe_load(TEXT)
    given[name] = {**given[name], **fields}
    return given


def test_all_are_there_each_with_an_id_of_its_own() -> None:
    assert APPROVED.keys() == NAMES.keys()
    assert {cls.TYPE for cls in TOLD} <= APPROVED.keys()
    assert len({template.template for template in APPROVED.values()}) == len(APPROVED)
    for name, cls in VARIANTS.items():
        assert APPROVED[name].template.endswith(APPROVED[cls.TYPE].template.removeprefix("SMS_TB"))


def test_every_channel_and_language_is_sound() -> None:
    """Each e-mail and WeChat message of every language fills its words from the sample of its event."""
    book = load(("aliyun", "tencent"))
    assert set(book.pages) == {("sms", "zh"), ("email", "zh"), ("email", "en"), ("wechat", "zh")}
    for channel, language, name, template in book.all():
        event = next(event for event in SAMPLES if type(event) is NAMES[name])
        params = template.params(event, language)
        assert isinstance(params, dict), (channel, name, params)
        assert "${" not in template.filled(params)
        assert bool(template.subject) == (channel == "email")


CHINESE = ("about.title", "about.department", "holder", "reason", "basis", "appeal")
"""Sources of what stays Chinese in any language: names, and what officers have written."""


def test_what_is_read_in_english_is_english() -> None:
    """By the words of the template, by dates and by words of ours; in the notice itself and in its preview."""
    book = load()
    assert book.pages["email", "en"].keys() == book.pages["email", "zh"].keys(), "no turn is told in Chinese only"
    for name, template in book.pages["email", "en"].items():
        kept = {variable for variable, path in template.variables.items() if path in CHINESE}
        plain = dict.fromkeys(kept, "-")
        for event in (event for event in SAMPLES if type(event) is NAMES[name]):
            params = template.params(event, "en")
            assert isinstance(params, dict), (name, params)
            assert not CJK.search(template.filled(params | plain)), (name, params)
            assert not CJK.search(filled(template.subject, params | plain)), name
        shown = previewed(name, template, "", plain, "email", "en")
        assert not CJK.search(shown["text"] + shown["subject"]), shown


@pytest.mark.parametrize(("language", "day", "outcome"), [("zh", "12月31日", "准予"), ("en", "31 Dec", "approved")])
def test_dates_and_words_of_a_preview_are_of_its_language(language: str, day: str, outcome: str) -> None:
    page = load().pages["email", language]
    assert day in previewed("accepted", page["accepted"], "", {}, "email", language)["text"]
    assert outcome in previewed("reviewed", page["reviewed"], "", {}, "email", language)["text"]


def test_a_template_is_found_in_its_language_or_in_chinese() -> None:
    book = load()
    assert book.find("email", "accepted", "en") == (book.pages["email", "en"]["accepted"], "en")
    assert book.find("wechat", "accepted", "en") == (book.pages["wechat", "zh"]["accepted"], "zh")
    assert book.find("wechat", "lapsed") is None


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("pigeon.zh.yaml", "", "pigeon.zh.yaml: expected <channel>.<language>.yaml"),
        ("email.fr.yaml", "", "email.fr.yaml: expected"),
        ("email.zh.yaml", "accepted: {version: 1, legal: true, text: x, variables: {}}", "an e-mail has a subject"),
        ("wechat.zh.yaml", "accepted: {version: 1, legal: true, text: x, variables: {}}", "a provider's id"),
        ("email.zh.yaml", "{", "email.zh.yaml"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, file: str, text: str, problem: str) -> None:
    (tmp_path / "sms.zh.yaml").write_text(TEXT, "utf-8")
    (tmp_path / file).write_text(text, "utf-8")
    with pytest.raises(TemplateError, match=re.escape(problem)):
        load(folder=tmp_path)


def test_the_text_messages_cannot_be_missing(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"sms\.zh\.yaml: missing"):
        load(folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("thing1", "不动产转移登记(存量房及其附属设施设备)", "不动产转移登记(存量房及其附属设施设备)"),
        ("thing1", "不动产转移登记(存量房及其附属设施设备等)", "不动产转移登记(存量房及其附属设施设备…"),
        ("phrase3", "一二三四五六", "一二三四…"),
        ("title", "长" * 100, "长" * 100),
    ],
)
def test_a_keyword_of_wechat_takes_so_much(name: str, value: str, shown: str) -> None:
    assert fitting(name, value) == shown


@pytest.mark.parametrize("name", NAMES)
def test_a_usual_notice_fits_one_message(name: str) -> None:
    """70 characters with the signature, beyond that 67 a piece (Aliyun). The invitation takes two, for its code."""
    event = next(event for event in SAMPLES if type(event) is NAMES[name])
    template = APPROVED[name]
    params = template.params(event)
    assert isinstance(params, dict)
    text = re.sub(r"\$\{(\w+)\}", lambda found: params[found[1]], template.text)
    assert len(f"【{Settings().sms_sign}】{text}") <= (134 if name == "invited" else 70), text


def test_every_mistake_is_named_at_once() -> None:
    given = yaml.safe_load(TEXT)
    del given["lapsed"]
    given["refused"]["variables"]["title"] = "about.colour"
    given["delivered"]["text"] += "${extra}"
    given["accepted"]["colour"] = "red"
    given["overdue"] = given["returned"]
    with pytest.raises(TemplateError) as wrong:
        checked(given)
    for text in (
        "lapsed: no template",
        "refused.title: the event has no about.colour",
        "delivered: text and variables name different things",
        "accepted.colour: extra_forbidden",
        "overdue: no event of this type is told",
    ):
        assert text in str(wrong.value)


@pytest.mark.parametrize("given", [None, [1], 3, {}])
def test_what_is_no_table_of_templates(given: Any) -> None:
    with pytest.raises(TemplateError):
        checked(given)


def test_a_version_must_be_given() -> None:
    with pytest.raises(TemplateError, match=r"accepted\.version"):
        checked(changed("accepted", version=None))


def test_words_are_shown_in_chinese() -> None:
    ready = next(e for e in SAMPLES if isinstance(e, Dispatched))
    template = Template(template="T", version=1, legal=False, text="${m}${d}", variables={"m": "method", "d": "at"})
    assert template.params(ready) == {"m": ready.method.label_zh, "d": f"{ready.at.month}月{ready.at.day}日"}


def test_variants_are_of_told_events() -> None:
    assert {NAMES[name] for name in NAMES if name not in OFFICERS} == set(TOLD)
    assert {Dispatched, Delivered, DeliveryFailed} <= set(TOLD)
