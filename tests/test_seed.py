"""The scenario that pgberth comes from, as its authors wrote it."""
import random
import uuid

import psycopg2
import pytest
import requests

from lib.recorder import RECORDER, Registry

pytestmark = pytest.mark.seed

OUR_PASSWORD = "papwd"


def post_to_api_create(storage_dir=None, port=None):
    if storage_dir is None:
        storage_dir = uuid.uuid4()
    if port is None:
        port = random.randint(6000, 9999)
    Registry().add(storage_dir)
    RECORDER.remember(str(storage_dir))
    response = requests.post(
        "https://localhost/api/containers/",
        {
            "storage_dir": storage_dir,
            "admin_password": OUR_PASSWORD,
            "port": port,
        },
        verify=False,
    )
    RECORDER.request_ids.append(response.headers["X-Request-Id"])
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "OK"
    return response


def connect(port):
    return psycopg2.connect(
        database="postgres",
        user="pythonanywhere_helper", password=OUR_PASSWORD,
        host="localhost", port=port,
    )


def test_create_starts_container_with_postgres_connectable(docker_cleanup, seed_port):
    response = post_to_api_create(port=seed_port)

    port = response.json()["port"]
    assert port > 1024
    assert port == seed_port

    connect(port).close()


def test_next_test_with_the_same_port_is_not_disturbed(docker_cleanup, seed_port):
    post_to_api_create(port=seed_port)
    docker_cleanup()

    response = post_to_api_create(port=seed_port)

    assert response.json()["port"] == seed_port
    connect(seed_port).close()


def test_random_port_is_connectable(docker_cleanup):
    response = post_to_api_create()

    connect(response.json()["port"]).close()


def test_data_is_there_after_a_kill_and_the_next_post(docker_cleanup, seed_port):
    storage_dir = uuid.uuid4()
    post_to_api_create(storage_dir, seed_port)
    connection = connect(seed_port)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'before the kill' AS line")
    connection.close()
    docker_cleanup()

    post_to_api_create(storage_dir, seed_port)

    connection = connect(seed_port)
    with connection.cursor() as cursor:
        cursor.execute("SELECT line FROM kept")
        assert cursor.fetchall() == [("before the kill",)]
    connection.close()
