"""What notify's refusals say in English, by the Chinese sentence in which they are said.

Words only; this module must never import what says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "签名无效": "The signature is not valid",
    "推送内容无法解析": "The push cannot be read",
    "推送条数过多": "There are too many items in the push",
    "模板只有 {variables}": "The template has only {variables}",
    "没有这个模板": "There is no such template",
    "没有这条消息": "There is no such message",
    "短信服务商拒绝发送": "The SMS provider refused to send",
    "邮件服务器拒收": "The mail server refused the message",
    "微信拒绝发送": "WeChat refused to send",
}
