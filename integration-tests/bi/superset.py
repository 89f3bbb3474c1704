"""A Superset of its own: a web server over a copy of the metadata that setup.sh made, its REST API, and a browser that is logged in."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import requests

ADMIN = {"username": "admin", "password": "admin"}
# in a debug build on a busy machine
STARTS = 180
ANSWERS = 120


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Superset:
    """The server and its REST API."""

    def __init__(self, metadata):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="millrace-superset-"))
        shutil.copy(metadata, self.home / "superset.db")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "SUPERSET_CONFIG_PATH": str(pathlib.Path(__file__).parent / "superset_config.py"),
            "SUPERSET_HOME": str(self.home),
            "MILLRACE_BI_METADATA": str(self.home / "superset.db"),
        }
        program = pathlib.Path(sys.executable).with_name("gunicorn")
        command = [str(program), "--bind", f"127.0.0.1:{port}", "--workers", "1", "--worker-class", "gthread"]
        command += ["--threads", "8", "--timeout", str(ANSWERS), "superset.app:create_app()"]
        self.log = open(self.home / "superset.log", "w")
        self.process = subprocess.Popen(command, env=environment, cwd=self.home, stdout=self.log, stderr=self.log)
        try:
            self.wait_started()
            self.log_in()
        except BaseException:
            self.stop()
            raise

    def wait_started(self):
        ends = time.monotonic() + STARTS
        while True:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/health", timeout=ANSWERS).ok:
                    return
            if self.process.poll() is not None or time.monotonic() > ends:
                raise AssertionError((self.home / "superset.log").read_text()[-8000:])
            time.sleep(0.2)

    def log_in(self):
        self.session = requests.Session()
        self.session.post(f"{self.url}/login/", data=ADMIN, timeout=ANSWERS).raise_for_status()
        token = self.call("POST", "security/login", {**ADMIN, "provider": "db", "refresh": False})["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method, path, body=None):
        """The answer of the REST API."""
        answer = self.session.request(method, f"{self.url}/api/v1/{path}", json=body, timeout=ANSWERS)
        if not answer.ok:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    @contextlib.contextmanager
    def browser(self):
        """Chromium without a screen, with the session's cookies."""
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
            options.add_argument(argument)
        options.add_argument("--window-size=900,560")
        options.add_argument("--force-device-scale-factor=1")
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(ANSWERS)
            driver.get(f"{self.url}/health")
            for cookie in self.session.cookies:
                driver.add_cookie({"name": cookie.name, "value": cookie.value, "path": "/"})
            yield driver
        finally:
            driver.quit()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.home)
