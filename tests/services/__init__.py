"""Rules of the services: state and message give a decision. Nothing here may start a suite, except where it says so."""
