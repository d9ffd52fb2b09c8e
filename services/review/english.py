"""What review's refusals say in English, by the Chinese sentence in which a rule says them.

Words only; this module must never import the rules that say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "办件不在审批环节": "The case is in no step of review",
    "只有最后环节可以作出决定": "Only the last step can decide",
    "最后环节应当作出批准或者不予许可的决定": "The last step must approve or deny",
    "只能退回到已经过的环节": "It can only be returned to a step that it has passed",
    "该环节已由其他工作人员领办": "Another officer has claimed this step",
    "请先领办本环节": "Please claim this step first",
    "已办理“{step}”环节的人员不得办理本环节": "Who has acted in the step “{step}” must not act in this one",
    "没有这个工号, 或者不在本部门{post}岗位": "No such staff id, or not a {post} of this department",
    "本环节须由{post}岗位办理": "This step is for the post of {post}",
    "承办": "handler",
    "审核": "checker",
    "批准": "approver",
    "证件号码无法解封": "The identity number cannot be opened",
}
