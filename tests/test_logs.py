"""GET …/logs: the server's own log, as text."""
import pytest

from lib.client import assert_error, ok
from lib.recorder import new_name
from lib.waiting import wait_for


def say(instance, text):
    instance.sql(f"DO $$ BEGIN RAISE LOG '{text}'; END $$")


def test_logs_are_the_servers_own_as_text(shared, api):
    marker = new_name("-said")
    say(shared, marker)

    response = wait_for(lambda: (answer := api.logs(shared.name)) and marker in answer.text and answer,
                        "the log holds what was just said")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")


def test_logs_begin_with_the_servers_start(shared, api):
    assert "ready to accept connections" in api.logs(shared.name, tail=10000).text


def test_tail_limits_the_lines_to_the_last(shared, api):
    for number in range(20):
        say(shared, f"line {number}.")
    wait_for(lambda: "line 19." in api.logs(shared.name, tail=100).text, "the last line is there")

    few, many = (api.logs(shared.name, tail=tail).text for tail in (5, 100))

    assert len(few.splitlines()) < len(many.splitlines())
    assert "line 0." not in few
    assert "line 19." in few


@pytest.mark.parametrize("end", ["stop", "delete"])
def test_logs_of_a_server_that_runs_no_more(instance, api, end):
    ok(getattr(api, end)(instance.name))

    # The very last line may be missing: the container's init ends with the postmaster, and may take
    # the collector along before it has written it.
    assert "received fast shutdown request" in api.logs(instance.name).text


def test_logs_of_unknown_is_404(api):
    assert_error(api.logs(new_name()), 404, "not_found")


@pytest.mark.parametrize("query, parameter", [
    ("tail=0", "tail"), ("tail=10001", "tail"), ("tail=x", "tail"), ("tail=", "tail"),
    ("tail=-1", "tail"), ("tail=1&tail=2", "tail"), ("lines=5", "lines"),
])
def test_wrong_parameter_is_422_naming_it(shared, api, query, parameter):
    assert_error(api.on("GET", shared.name, f"logs?{query}"), 422, "invalid", parameter)


@pytest.mark.parametrize("link", ["ln -sf {} /pg/log/zzz.log", "ln -sf {} $(ls -d /pg/log/*.log)",
                                  "mv /pg/log /pg/old && ln -s {dir} /pg/log"],
                         ids=["new file", "the current file", "the directory"])
def test_logs_do_not_follow_what_the_tenant_linked_to(instance, api, tmp_path, link):
    secret = tmp_path / "secret.log"
    secret.write_text("a secret of the host\n")
    command = link.replace("{dir}", str(tmp_path)).replace("{}", str(secret))
    instance.shell(f"{command}; echo done")

    response = api.logs(instance.name)

    assert "a secret of the host" not in response.text
    assert response.status_code < 500


def test_fifo_among_the_logs_does_not_hold_the_answer_up(instance, api):
    instance.shell("rm -f /pg/log/*; mkfifo /pg/log/zzz.log /pg/log/postgresql-9999-01-01_000000.log;"
                   " echo done")

    assert api.logs(instance.name).status_code < 500


def test_log_lines_with_control_characters_stay_text(instance, api):
    instance.sql("DO $$ BEGIN RAISE LOG '%', E'esc\\x1b[31mape'; END $$")

    wait_for(lambda: "ape" in api.logs(instance.name).text, "the line is there")
