"""What courier's refusals say in English, by the Chinese sentence in which a rule says them.

Words only; this module must never import the rules that say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "已于 {at} 交接 {count} 件": "Handed over already: {count} parcels at {at}",
    "清单上有 {listed} 件, 实际交接 {count} 件": "{listed} parcels are on the list, {count} were handed over",
    "已经申请拦截退回": "It has been asked for already to come back",
    "没有丢失、退回或者未寄出的邮件": "No parcel is lost, came back or was never sent",
    "没有可以取消的寄件, 或者已经揽收": "No order can be cancelled, or the parcel was collected already",
    "没有在途的邮件可以拦截": "No parcel is on its way that could be called back",
    "没有待领取的结果": "No result waits to be handed over",
    "没有等待揽收的寄件": "No parcel waits to be collected",
    "没有约定上门揽收时段": "No slots for collecting are agreed",
    "申请人没有留下邮寄地址, 应先改址": "The applicant left no postal address; give one first",
    "该邮件在窗口交寄, 不能由申请人改约": "The window sends this parcel; the applicant cannot choose when",
    "邮件已在途中, 不能改址; 可先申请拦截退回": (
        "The parcel is on its way and its address cannot be changed; ask for it to come back first"
    ),
    "邮件已经揽收": "The parcel was collected already",
    "上门揽收时段为工作日{hours}": "Couriers come on workdays: {hours}",
    "只能选择{days}天内的时段": "A slot must lie within {days} days",
    "该时段即将开始或已经开始, 请选择之后的时段": "This slot begins soon or has begun; please choose a later one",
    "该运单号属于另一个邮件, 请核对回执": ("This waybill number belongs to another parcel; please compare the receipt"),
    "运单号是手工填写的, 没有面单可打": "The waybill number was typed by hand, hence there is no label",
    "没有 EMS 运单号, 没有面单可打": "There is no EMS number, hence no label",
    "这一天没有交接清单": "There is no hand-over list of this day",
    "这个月没有寄递费用": "There is no settlement of this month",
    "EMS 暂时没有应答, 请稍后再试": "EMS does not answer for the moment; please try again later",
    "EMS 未接受": "EMS did not accept",
    "EMS 没有给出这张面单": "EMS did not give this label",
    "EMS 给出的不是面单, 请稍后再试": "What EMS gave is no label; please try again later",
    "签名无效": "The signature is not valid",
    "应为 1970 年以来的秒数": "Must be seconds since 1970",
    "与本机时间相差超过 {seconds} 秒": "More than {seconds} seconds from our clock",
    "应以 v1, 开头": "Must begin with v1,",
    "应为时间, 格式为 {sample}": "Must be a time such as {sample}",
    "扫描时间应在 {first} 年至 {last} 年之间": "A scan must lie in the years {first} to {last}",
    "最多 {most} 条": "At most {most} rows",
    "只接受 {meanings}": "Only these are taken: {meanings}",
    "运单号无效": "The waybill number is not valid",
    "每行应为 运单号,金额(分)": "Each line must be: waybill,fen",
    "账单应为 UTF-8 编码的 CSV": "A bill must be CSV in UTF-8",
    "账单没有内容": "The bill is empty",
    "金额应为整数, 单位为分": "An amount is a whole number of fen",
}
