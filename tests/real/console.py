"""Kafka's own console tools, as who has nothing of ours would use them.

It must never read or write by a client library.
"""

from collections.abc import Mapping, Sequence

from tests.real.backends import KafkaBroker


def console_producer(
    broker: KafkaBroker, name: str, topic: str, lines: Sequence[str], props: Mapping[str, str] | None = None
) -> None:
    """The producer, under this name: a line is `name:value,name:value<TAB>key<TAB>value` unless props say otherwise."""
    chosen = {"parse.headers": "true", "parse.key": "true", **(props or {})}
    broker.run_tool(
        "org.apache.kafka.tools.ConsoleProducer",
        *(*broker.entrance(name), "--topic", topic, "--command-property", "acks=all"),
        # One record at a time and half a minute for a topic that is not there: otherwise a failure ends with status 0.
        *("--sync", "--max-block-ms", "30000"),
        *(part for key, value in chosen.items() for part in ("--reader-property", f"{key}={value}")),
        lines="".join(f"{line}\n" for line in lines),
    )


def console_consumer(broker: KafkaBroker, name: str, topic: str, max_messages: int, timeout_s: float) -> list[str]:
    """The consumer, under this name and as the group of this name, from the beginning: lines of the producer's form,
    and fewer of them if no further record came for timeout_s. It prints `NO_HEADERS` and `null` for what a record
    lacks.
    """
    printed = broker.run_tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *(*broker.entrance(name), "--group", name, "--topic", topic, "--from-beginning"),
        *("--max-messages", str(max_messages), "--timeout-ms", str(int(timeout_s * 1000))),
        *("--formatter-property", "print.headers=true", "--formatter-property", "print.key=true"),
        seconds=timeout_s + 60,
    )
    return printed.split("\n")[:-1]  # splitlines() would also split at separators that a text may hold
