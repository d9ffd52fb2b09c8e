"""What the sentences of this package say in English, by the Chinese sentence in which they are said.

Words only; this module must never import what says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    # Titles
    "请求有误": "Bad request",
    "未登录": "Not logged in",
    "没有权限": "Not permitted",
    "没有找到": "Not found",
    "方法不允许": "Method not allowed",
    "与当前状态冲突": "In conflict with the present state",
    "内容已有变化": "The content has changed",
    "内容过大": "Content too large",
    "内容类型不支持": "Unsupported content type",
    "内容不符合规定": "The content breaks a rule",
    "须注明所见版本": "The version that was seen must be named",
    "暂时不可用": "Unavailable for the moment",
    "处理失败": "Failed",
    # Callers
    "接入密钥无效": "The API key is not valid",
    "该接入密钥没有此项权限": "This API key does not have the right",
    "需要工作人员登录": "An officer must log in",
    "登录凭证无效或已过期": "The token is not valid, or has expired",
    "身份认证服务暂时不可用": "The identity provider is unavailable for the moment",
    "您的岗位没有此项权限": "Your post does not have this right",
    "您的登录凭证没有注明本市的区域, 不能办理任何办件": (
        "Your token names no area of the city, so that no case is yours to handle"
    ),
    "该办件不是由您代办或经手的": "This case was not brought or handled by you",
    "该办件不属于您所在的部门": "This case is not your department's",
    "该办件不属于您所在的区域": "This case is not in your area",
    # The city
    "文件无法读取": "The file cannot be read",
    "不是合法的 YAML": "Not valid YAML",
    "嵌套过深": "Nested too deeply",
    "展开后过大": "Too large when expanded",
    "第 {line} 行: 编码应加引号": "Line {line}: a code must stand in quotation marks",
    "第 {line} 行与第 {first} 行重复": "Line {line} repeats line {first}",
    "代码长度与层级不符": "The length of the code is not that of its level",
    "没有上一级单位": "There is no unit above",
    "没有这个区域": "There is no such area",
    "没有这个部门": "There is no such department",
    "没有这个岗位角色": "There is no such role",
    "系统、安全、审计管理员不得兼任": "An administrator of system, security or audit is nothing else",
    "没有这个工号": "There is no such staff id",
    "结束日期早于开始日期": "It ends before it begins",
    "AB岗应为同一部门、同类岗位的两名工作人员": (
        "Two officers of one department with a role in common stand in for each other"
    ),
    # Requests
    "请求内容不得超过 {limit} 字节": "The body of a request has at most {limit} bytes",
    "分页标记无效": "The cursor is not valid",
    "没有这个办件": "There is no such case",
    "没有这个文档": "There is no such document",
    "没有这种文档": "There is no such kind of document",
    "办件已有变化, 请刷新后再试": "The case has changed; please look again and retry",
    "同一个 Idempotency-Key 不能用于不同的内容": "One Idempotency-Key must not be used for different contents",
    "Idempotency-Key 应为 1 至 128 个可见字符": "An Idempotency-Key has 1 to 128 visible characters",
    "If-Match 应为先前返回的 ETag": "If-Match must be an ETag that was answered before",
    "事件早于去重记录的保留期, 不能确定是否已经处理": (
        "The event is older than what is kept to know repetitions; whether it was handled cannot be said"
    ),
    "这个主题没有停读": "This topic is not stopped",
    "事件来源与发布者不符": "The source of the event is not its publisher",
    "事件与所在主题或消息键不符": "The event does not belong to the topic or key on which it came",
    "该服务暂时不可用, 请稍后再试": "This service is unavailable for the moment; please try again later",
    "业务繁忙, 请稍后再试": "Too busy; please try again later",
    "这个办件没有搁置的消息": "No message of this case is set aside",
    "系统内部错误, 已记录": "Internal error; it has been recorded",
    "法定时钟只能在沙箱模式下移动": "The legal clock can be moved in sandbox mode only",
    "法定时钟不能后退": "The legal clock cannot go back",
    "地址无效": "The address is not valid",
    "应为 UTF-8 编码的表单": "Must be a form in UTF-8",
    "表单字段重复": "A field of the form stands there twice",
}
