"""Every metric that Tongban exposes, one comment each; the table in the operating guide is generated from here.

Labels are few and bounded (service, kind, outcome); this module must never see an id or a person.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Messages applied to documents, by outcome: applied, known (seen before), rejected, bug.
APPLIED = Counter("tongban_messages_total", "Messages applied to documents", ["service", "outcome"])
# Batches folded, written and handed to the publisher.
BATCHES = Counter("tongban_batches_total", "Batches folded and written", ["service"])
# Seconds from taking a batch up to its durable write.
BATCH_SECONDS = Histogram("tongban_batch_seconds", "From taking a batch up to its write", ["service"], buckets=FAST)
# Documents that another writer changed in between; they are folded again.
CONFLICTS = Counter("tongban_conflicts_total", "Documents that lost compare-and-swap", ["service"])
# Events published, counted after the bus acknowledged.
PUBLISHED = Counter("tongban_published_total", "Events acknowledged by the bus", ["service"])
# Failed attempts to publish; each is repeated until it succeeds.
PUBLISH_FAILURES = Counter("tongban_publish_failures_total", "Publish attempts without acknowledgement", ["service"])
# Age of the oldest durable event that the bus has not acknowledged yet; the first thing to look at.
OUTBOX_AGE = Gauge("tongban_outbox_age_seconds", "Age of the oldest event not yet published", ["service"])
# Records this process has still to read, over its partitions.
LAG = Gauge("tongban_lag_records", "Records not yet processed", ["service"])
# Legal age of the last event applied is not measured: the legal clock can be moved. This is system time.
LAST_PROGRESS = Gauge("tongban_last_progress_timestamp_seconds", "When the last batch was written", ["service"])
# Errands by kind and outcome: done, failed, lost, retry, unknown.
ERRANDS = Counter("tongban_errands_total", "Calls to partners", ["service", "errand", "outcome"])
# Errands planned and not yet answered in this process.
ERRANDS_OPEN = Gauge("tongban_errands_open", "Calls to partners under way or waiting", ["service"])
# Seconds one call to a partner took.
ERRAND_SECONDS = Histogram(
    "tongban_errand_seconds", "Duration of calls to partners", ["service", "errand"], buckets=FAST
)
# Messages that a partner's account still pays for, where it is known.
LEFT = Gauge("tongban_partner_left", "Messages that a partner's account still pays for", ["service", "partner"])
# 1 while a partner, or a portal's endpoint, is left alone because it fails.
RESTS = Gauge("tongban_partner_rests", "Whether a partner is left alone because it fails", ["service", "partner"])
# Dead letters written; every one wants a person.
DEAD = Counter("tongban_dead_letters_total", "Messages set aside as dead letters", ["service"])
# Events that the bus will never take (too large, invalid); each is told as a dead letter in its stead.
REFUSED = Counter("tongban_refused_total", "Events that the bus will never take", ["service"])
# 1 while a topic is left unread after too many dead letters in a row.
HALTED = Gauge("tongban_topic_halted", "Whether a topic is left unread", ["service", "topic"])
# Cases whose later events wait behind a dead letter.
PARKED = Gauge("tongban_parked_cases", "Cases parked behind a dead letter", ["service"])
# Uses of the older value of a secret, by setting and whose it is; when it stands still, that one can be ended.
OLD_SECRETS = Counter("tongban_old_secrets_total", "Uses of the older value of a secret", ["setting", "name"])
# Pushes about what several documents have, so that none was told; every one wants a person.
UNCLEAR = Counter("tongban_unclear_pushes_total", "Pushes about what several documents have", ["service", "partner"])
# HTTP requests by service, method and status class.
HTTP = Counter("tongban_http_requests_total", "HTTP requests", ["service", "method", "status"])
# Seconds to answer an HTTP request.
HTTP_SECONDS = Histogram("tongban_http_seconds", "Duration of HTTP requests", ["service"], buckets=FAST)
