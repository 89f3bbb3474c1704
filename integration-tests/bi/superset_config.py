"""Superset's configuration in the tests: metadata in SQLite, and a REST API that takes the forms of a script."""

import os
import secrets

import pymysql

# what Superset asks of mysqlclient, which would have to be compiled: the numbers of types
pymysql.install_as_MySQLdb()

SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.environ["MILLRACE_BI_METADATA"]
# one process, one run: nothing that it signs is read by another
SECRET_KEY = secrets.token_hex(32)
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
