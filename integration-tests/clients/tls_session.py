"""A session for the tests of TLS: arguments PORT and a file of certificates that are trusted, or `none` for a session without TLS.

Prints one line of JSON at the beginning, {"certificate": its SHA-256} or {"error": number, "text": …}, and one for each statement that
it reads, {"rows": …} or the same of an error.
"""

import hashlib
import json
import sys

import pymysql


def told(act):
    try:
        print(json.dumps(act()), flush=True)
    except pymysql.MySQLError as error:
        number, text = (*error.args, "")[:2]
        print(json.dumps({"error": number, "text": str(text)}), flush=True)


def connect(port, trusted):
    global connection
    verified = {"ca": trusted, "check_hostname": True, "verify_mode": "required"}
    tls = {"ssl_disabled": True} if trusted == "none" else {"ssl": verified}
    connection = pymysql.connect(host="localhost", port=int(port), user="root", password=b"", autocommit=True, **tls)
    if trusted == "none":
        return {"certificate": None}
    return {"certificate": hashlib.sha256(connection._sock.getpeercert(binary_form=True)).hexdigest()}


def query(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {"rows": [[str(value) for value in row] for row in cursor.fetchall()]}


connection = None
told(lambda: connect(*sys.argv[1:]))
for line in sys.stdin:
    told(lambda: query(line))
