"""What a user of locust does at the door, for `tests.bench.loads.locust`; locust may have an environment of its own."""

import os

from locust import HttpUser, constant, task

from tests.bench.loads import requests

KIND, PLACE = os.environ["DOOR_KIND"], os.environ["DOOR_PLACE"]
ASKED = requests(KIND, os.environ["DOOR_AUTHORIZATION"], int(os.environ["DOOR_FIRST"]))


class Caller(HttpUser):
    """Asks again as soon as it was answered; locust ends with 1 where an answer is an error."""

    wait_time = constant(0)

    @task
    def ask(self) -> None:
        """One request."""
        method, path, body, headers = next(ASKED)
        self.client.request(method, PLACE + path, data=body, headers=headers, name=KIND)
