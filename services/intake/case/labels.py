"""What a citizen reads on the progress page: public states, why a case waits, what happened.

Words only; this module must never import anything of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LABELS: Final[Mapping[str, str]] = {
    "submitted": "已收件, 待受理",
    "correcting": "待补正",
    "awaiting_originals": "待交原件",
    "transferred": "已移交, 待接收",
    "accepted": "已受理",
    "refused": "不予受理",
    "lapsed": "逾期未补正, 视为放弃",
    "withdrawn": "已撤回",
    "reviewing": "审批中",
    "approved": "已办结, 准予办理",
    "denied": "已办结, 不予许可",
    "forwarded": "已转报上级机关",
    "issued": "已出证",
    "completed": "已办结, 结果已送达",
    "ordered": "已安排寄送",
    "ready": "可到窗口领取",
    "dispatched": "寄送中",
    "attempted": "投递未成功",
    "returning": "拒收, 退回途中",
    "lost": "邮件异常, 正在查找",
    "delivered": "已送达",
    "returned": "邮件已退回",
}
"""Public status and what a citizen reads."""

OVER: Final = frozenset({"refused", "lapsed", "withdrawn"})
RANKS: Final = {"intake": 0, "review": 1, "courier": 2, "evaluation": 3}
"""Order of publishers within one moment."""

ACTIONS: Final = {
    "opened": "进入环节",
    "claimed": "工作人员开始办理",
    "passed": "转入环节",
    "returned": "退回环节",
    "handed_over": "移交办理",
    "declined": "撤回申请未获同意",
}
OUTCOMES: Final = {"approved": "准予办理", "denied": "不予许可", "withdrawn": "同意撤回", "forwarded": "转报上级机关"}
FAILURES: Final = {
    "attempt": ("attempted", "投递未成功"),
    "refused": ("returning", "收件人拒收"),
    "pick_up": ("ordered", "未能上门揽收"),
    "lost": ("lost", "邮件查无踪迹"),
    "order_lost": ("issued", "寄递下单未成功"),
}
POSTS: Final = {"handler": "承办岗", "checker": "审核岗", "approver": "批准岗"}
"""Who works at a step."""
WAITS: Final = {
    "submitted": "等待收件窗口审查材料",
    "transferred": "等待接收单位确认接收",
    "accepted": "等待分配办理人员",
    "issued": "等待寄送或领取",
    "ordered": "等待寄递员揽收",
    "ready": "等待领取",
    "attempted": "等待再次投递",
    "lost": "正在查找邮件",
    "returned": "等待确认新的地址或领取方式",
}
