"""Which language is preferred, and what a sentence with values says in the other one.

Cases follow RFC 9110, 12.5.4; this module must never know a rule of a service.
"""

from __future__ import annotations

import pytest

from chassis.web.language import English, preferred

WORDS = English({"不得超过 {most} 字": "At most {most} characters", "应为{kind}": "Must be {kind}", "文本": "text"})


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("en", "en"),
        ("EN-gb", "en"),
        ("en-US,en;q=0.9", "en"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.8, zh;q=0.9", "zh"),
        ("en, zh", "en"),
        ("zh, en", "zh"),
        ("fr, de;q=0.5", "zh"),
        ("fr, en;q=0.1", "en"),
        ("*", "zh"),
        ("*, en;q=0.5", "zh"),
        ("en, *;q=0.5", "en"),
        ("zh;q=0, *", "en"),
        ("zh;q=0", "zh"),
        ("en;q=0", "zh"),
        ("en;q=0, *", "zh"),
        ("en;q=0.001", "en"),
        ("en ; Q=1.000", "en"),
        ("en;q=2", "zh"),
        ("en;q=0.5, en;q=0", "en"),
        ("en;q=nan, zh;q=0.1", "zh"),
        ("english", "zh"),
        (";;,,=", "zh"),
        ("en" * 10_000, "zh"),
        ("fr," * 100 + "en", "zh"),
    ],
)
def test_the_language_that_weighs_most(accepted: str | None, language: str) -> None:
    assert preferred(accepted) == language


def test_values_are_carried_over_and_sentences_among_them_put_into_english() -> None:
    assert WORDS.of("不得超过 200 字") == "At most 200 characters"
    assert WORDS.of("应为文本") == "Must be text"
    assert WORDS.of("应为{kind}") == "Must be {kind}", "braces of a value are no hole"
    assert WORDS.of("应为食品经营许可") == "Must be 食品经营许可", "a name stays as it is"
    assert WORDS.of("mail_refused") == "mail_refused"
