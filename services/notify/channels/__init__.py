"""The channels by which people and portals are told, a module each: text messages, e-mail, WeChat, webhooks.

They must never decide what is sent.
"""
