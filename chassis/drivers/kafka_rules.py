"""Access rules at the brokers: which there are, and setting those that are missing (KIP-140).

It takes rules as they come and words none; this module must never remove one, nor import a service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from chassis.bus import BusDown
from chassis.drivers.kafka_member import down, quietly
from chassis.drivers.rule import Rule

ANY: Final = 1
ALLOW: Final = 3
LITERAL, PREFIXED = 3, 4
RESOURCES: Final = {2: "topic", 3: "group", 4: "cluster", 5: "transactional-id"}
OPERATIONS: Final = {
    2: "All", 3: "Read", 4: "Write", 5: "Create", 6: "Delete", 7: "Alter", 8: "Describe", 9: "ClusterAction",
    10: "DescribeConfigs", 11: "AlterConfigs", 12: "IdempotentWrite",
}  # fmt: skip
HARMLESS: Final = ("Describe", "DescribeConfigs")
"""Operations that show names and no content."""


Found = tuple[Rule, bool]
"""An allowance, and whether it holds for all names that begin like its own."""


async def apply(servers: str, access: Mapping[str, Any], wanted: Sequence[Rule]) -> list[dict[str, str]]:
    """Sets what is missing. A row per rule: `state` is `there`, `set`, or `beyond` for one that allows more than is
    wanted on the same topics and groups. Raises BusDown with a sentence."""
    client = AIOKafkaClient(bootstrap_servers=servers, **access)
    try:
        await client.bootstrap()
        there = await _listed(client)
        rows = []
        for rule in wanted:
            known = (rule, False) in there
            if not known:
                await _set(client, rule)
            rows.append({"state": "there" if known else "set", "rule": rule.words()})
        return rows + [{"state": "beyond", "rule": text} for text in _beyond(there, wanted)]
    except (KafkaError, OSError) as error:
        raise down(error) from None
    finally:
        await quietly(client.close())


async def _listed(client: AIOKafkaClient) -> set[Found]:
    """Every allowance there is."""
    answer = await client.send(client.get_random_node(), DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
    _agreed(answer.error_code, answer.error_message)
    return {
        (Rule(who, OPERATIONS[operation], RESOURCES[resource], name), pattern == PREFIXED)
        for resource, name, pattern, each in answer.resources
        for who, _, operation, permission in each
        if permission == ALLOW and resource in RESOURCES and operation in OPERATIONS
    }


async def _set(client: AIOKafkaClient, rule: Rule) -> None:
    resource = next(code for code, name in RESOURCES.items() if name == rule.resource)
    operation = next(code for code, name in OPERATIONS.items() if name == rule.operation)
    request = CreateAclsRequest(resource, rule.name, LITERAL, rule.principal, "*", operation, ALLOW)
    answer = await client.send(client.get_random_node(), request)
    for code, text in answer.creation_responses:
        _agreed(code, text)


def _agreed(code: int, text: str | None) -> None:
    if code == SecurityDisabled.errno:
        raise BusDown("the brokers have no authorizer (authorizer.class.name), so no rule would bind anybody")
    if code:
        raise for_code(code)(text)


def _beyond(there: Collection[Found], wanted: Sequence[Rule]) -> list[str]:
    ours = {(rule, False) for rule in wanted}
    names = {(rule.resource, rule.name) for rule in wanted}

    def meets(rule: Rule, prefixed: bool) -> bool:
        begins = any(kind == rule.resource and name.startswith(rule.name) for kind, name in names)
        return rule.name == "*" or (begins if prefixed else (rule.resource, rule.name) in names)

    more = sorted(each for each in there if each not in ours and each[0].operation not in HARMLESS and meets(*each))
    return [rule.words() + (" --resource-pattern-type prefixed" if prefixed else "") for rule, prefixed in more]
