# SPDX-License-Identifier: Apache-2.0
"""A host that asks its server for news all the time, in a thread of its own, and answers what it is asked: questions of those who look at
it, and commands.

Each answer is a function of the arguments; what it raises is why the host cannot.
"""

import json
import threading


class Answers(threading.Thread):
    def __init__(self, host, questions, commands=()):
        super().__init__(daemon=True)
        self.host, self.questions, self.commands = host, questions, dict(commands)
        self.asked, self.silent, self._after, self._bundle = 0, threading.Event(), "", ""
        self.problem = None

    def run(self):
        try:
            while not self.silent.is_set():
                self.once()
        except Exception as e:  # pylint: disable=broad-exception-caught
            self.problem = e

    def once(self):
        answer = self.host.poll(after=self._after, bundle=self._bundle)
        if self.silent.is_set():
            return
        if answer.status != 200:
            raise RuntimeError(f"{answer} {answer.body}")
        news = json.loads(answer.body)
        # Policies are not what it is about: as one that has them, or else the server answers at once for ever.
        self._bundle = news["bundle"] or ""
        for command in news["commands"]:
            self._after = command["id"]
            self.answer(command, self.commands)
        for question in news["questions"]:
            self.asked += 1
            self.answer(question, self.questions)

    def answer(self, asked, known):
        said = {"command": asked["id"], "status": "done", "result": None, "error": None}
        try:
            said["result"] = known[asked["name"]](asked["args"])
        except Exception as e:  # pylint: disable=broad-exception-caught
            said.update(status="failed", error={"what": str(e), "cure": "ask another host", "errno": 95})
        done = self.host.post("/agent/v1/result", said)
        if done.status != 200:
            raise RuntimeError(f"{done} {done.body}")
