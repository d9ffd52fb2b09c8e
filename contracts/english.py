"""What the sentences of this package say in English, by the Chinese sentence in which a rule says them.

Words only; this module must never import the rules that say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    # A single field
    "必填项缺失": "Required, but missing",
    "未定义的字段": "No such field is defined",
    "格式不正确": "The format is not correct",
    "格式不符合要求": "The format is not as required",
    "取值不符合要求": "The value is not as required",
    "不是合法的 JSON": "Not valid JSON",
    "不是 UTF-8 文本": "Not text in UTF-8",
    "不是合法的时间": "Not a valid time",
    "时间必须带时区": "A time must say its time zone",
    "不在允许的取值之内": "Not one of the allowed values",
    "含有半个字符(孤立的代理码位)": "Contains half a character (a lone surrogate)",
    "应为文本": "Must be text",
    "应为文本(编号请加引号)": "Must be text (put codes in quotation marks)",
    "应为整数": "Must be a whole number",
    "应为数字": "Must be a number",
    "应为 true 或 false": "Must be true or false",
    "应为列表": "Must be a list",
    "应为日期": "Must be a date",
    "应为一组字段": "Must be a set of fields",
    "数值过大": "The number is too large",
    "数值过小": "The number is too small",
    "文本过长": "The text is too long",
    "文本过短": "The text is too short",
    "内容过多": "There are too many",
    "内容过少": "There are too few",
    "不能为空": "Must not be empty",
    "不允许填写": "Must be left out",
    "重复": "Repeated",
    # Numbers of people, firms and cases
    "身份证号码应为18位,前17位为数字,末位为数字或X": (
        "An identity number has 18 characters: 17 digits, then a digit or X"
    ),
    "身份证号码中的出生日期不存在": "The date of birth in the identity number does not exist",
    "身份证号码中的出生日期晚于今天": "The date of birth in the identity number is in the future",
    "身份证号码校验位不正确,请核对": "The check digit of the identity number is wrong; please compare it",
    "统一社会信用代码应为18位数字或大写字母(不含I、O、S、V、Z)": (
        "A unified social credit code has 18 digits or capital letters (without I, O, S, V, Z)"
    ),
    "统一社会信用代码的登记管理部门或机构类别代码不存在": (
        "The authority or category in the unified social credit code does not exist"
    ),
    "统一社会信用代码校验位不正确,请核对": (
        "The check character of the unified social credit code is wrong; please compare it"
    ),
    "手机号码应为11位数字,以13至19开头": "A mobile number has 11 digits and begins with 13 to 19",
    "电子邮箱地址格式不正确": "Not a valid e-mail address",
    "办件编号应为{length}位:14位数字加9位数字或字母": (
        "A case number has {length} characters: 14 digits, then 9 digits or letters"
    ),
    "办件编号中的日期不存在,请核对": "The date in the case number does not exist; please compare it",
    "办件编号有误,请逐位核对": "The case number is wrong; please compare it character by character",
    # Events
    "另有 {left} 处问题未列出": "{left} more problems are not listed",
    "共 {count} 处问题, 过多而未逐一列出": "{count} problems, too many to be listed one by one",
    "不是合法的 Base64": "Not valid Base64",
    "不是合法的 JSON 对象": "Not a valid JSON object",
    "只支持单个事件的 JSON 结构化模式": "Of the structured modes only JSON with a single event is supported",
    "属性应为文本": "An attribute must be text",
    "应为 URI, 不含空格": "Must be a URI without spaces",
    "应为不超过 {most} 个字符的文本": "Must be text of at most {most} characters",
    "缺少消息头": "The header is missing",
    "只支持 1.0": "Only 1.0 is supported",
    "未知的事件类型": "The type of event is unknown",
    # Items of the catalogue
    "一个事项应为一组字段": "An item must be a set of fields",
    "in 应与列表比较": "'in' must be compared with a list",
    "一件事且只有一件事由多个事项组成": "A bundle, and nothing else, is made of several items",
    "一件事应列出组成事项, 其他事项没有": "A bundle must list its items; no other item has any",
    "不是合法的正则表达式": "Not a valid regular expression",
    "与表单事实同名": "A fact of the form has the same name",
    "个人信息不得作为比对依据原样流转": "Personal data must not travel as it is for comparison",
    "企业没有年龄": "An enterprise has no age",
    "停用日期不晚于生效日期": "It ends no later than it takes effect",
    "先缴费后决定须有法律依据": "Payment before the decision needs a legal basis",
    "共享材料不收原件": "No original is taken of a shared material",
    "共享材料应说明来源": "A shared material must name its source",
    "只有 int 字段可以有取值范围": "Only an int field may have a range",
    "只有 text 字段可以有格式": "Only a text field may have a pattern",
    "只有原件可以收缴": "Only an original can be taken in for good",
    "只能回避在前的环节": "Only an earlier step can be named",
    "只能在本一件事的其他事项之后办理": "Only another item of this bundle can come before",
    "各环节天数之和超过承诺时限": "The steps take longer together than the promised limit",
    "天数不能为负": "Days must not be negative",
    "年龄取自申请人身份证号码": "The age comes from the applicant's identity number",
    "应为日期字段": "Must be a date field",
    "当场受理的事项不设审查天数": "What is accepted on the spot has no days of checking",
    "承诺时限超过法定时限": "The promised limit is longer than the legal one",
    "按环节办理的事项应有环节, 其他事项没有": "An item decided by steps must have steps; no other item has any",
    "接替事项不能是它自己": "An item cannot be its own successor",
    "时限应按工作日、自然日、小时或月计算": "A limit is counted in workdays, days, hours or months",
    "最大值小于最小值": "The largest value is below the smallest",
    "未停用的事项没有接替事项": "An item that does not end has no successor",
    "材料编码与表单字段同名": "A field of the form has the same name as this material",
    "没有法定时限的事项不能延长": "An item without a legal limit cannot be extended",
    "没有结果证照, 只能短信告知": "Without a certificate the result can only be told by message",
    "牵头部门应列第一位, 并与主管部门相同": "The leading department must come first and be the one in charge",
    "环节所属部门不在联合办理部门之内": "The department of the step is not among those that work jointly",
    "由证照库取得的材料应为共享材料": "A material from the licence library must be a shared one",
    "组成事项互为前提": "The items of the bundle wait for one another",
    "联合办理应有两个以上部门, 其他事项不列": "Joint work needs two departments or more; other items list none",
    "行政许可且只有行政许可适用许可法的受理规则": (
        "Administrative licences, and nothing else, follow the acceptance rule of the Licensing Law"
    ),
    "行政许可的受理审查不得超过五个工作日": (
        "Whether a licence application is accepted must be decided within five workdays"
    ),
    "表单和登记库都没有这项事实": "Neither the form nor a register has this fact",
    "表单没有这个字段": "The form has no such field",
    "身份证号码和手机号码是个人信息": "Identity and mobile numbers are personal data",
    "选项仅用于且必须用于 choice 字段": "A choice field, and no other, must have choices",
}
