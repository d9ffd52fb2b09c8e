"""A portal that applies by events and hears the answers, with aiokafka and the package `contracts`.

It must never need anything else of the suite.
"""

import asyncio
import os
import ssl
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.portal import Applicant, Delivery, Submitted
from contracts.wire import Envelope, decode, encode

SERVERS = os.environ["PLAY_BUS"].removeprefix("kafka://")
PORTAL = os.environ["PLAY_PORTAL"]
LOGIN = {}
if "PORTAL_PASSWORD" in os.environ:  # as in a city; the broker of `make kafka` asks for none
    LOGIN = {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=os.environ["PORTAL_CA"]),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": f"portal.{PORTAL}",
        "sasl_plain_password": os.environ["PORTAL_PASSWORD"],
    }
RUN = uuid.uuid4().hex[:8]
"""Submission ids are the portal's own; these are other ones each time the example runs."""
GOOD, BAD = f"tutorial-{RUN}-good", f"tutorial-{RUN}-bad"


def application(submission, purpose):
    return Submitted(
        at=datetime.now(UTC),
        portal=PORTAL,
        submission=submission,
        item="MZ-YDZ",
        area="341602",
        channel="portal",
        applicant=Applicant(kind="person", name="周文友", identity="34212619491102225X", phone="14400005005"),
        delivery=Delivery(method="ems", address="安徽省亳州市谯城区杜仲路5号"),
        form={"purpose": purpose},
    )


async def main():
    producer = AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", enable_idempotence=True, **LOGIN)
    group = f"portal.{PORTAL}"
    consumer = AIOKafkaConsumer(
        f"answers.{PORTAL}", bootstrap_servers=SERVERS, group_id=group, auto_offset_reset="earliest", **LOGIN
    )
    await producer.start()
    await consumer.start()
    try:
        waiting = {GOOD, BAD}
        for event in (application(GOOD, "new"), application(BAD, "lend")):
            # Say the same thing again under the same id: here it follows from the submission.
            id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PORTAL}/{event.submission}/submitted"))
            headers, body = encode(Envelope(id=id, source=f"/portal/{PORTAL}", sequence=1, event=event))
            await producer.send_and_wait(
                f"portal.{PORTAL}",
                body,
                key=event.submission.encode(),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
        async for record in consumer:
            submission = record.key.decode()
            answer = decode({name: value.decode() for name, value in record.headers}, record.value).event
            if submission not in waiting:
                continue
            if answer.TYPE == "received":
                print(submission, "received", answer.about.number)
            elif answer.TYPE == "bounced":
                print(submission, "bounced", [(p.field, p.rule, p.message) for p in answer.problems])
                waiting.remove(submission)
            elif answer.TYPE == "progressed":
                print(submission, "progressed", answer.status, answer.label)
                if answer.status == "delivered":
                    waiting.remove(submission)
            if not waiting:
                break
    finally:
        await consumer.stop()
        await producer.stop()


asyncio.run(asyncio.wait_for(main(), 60))
