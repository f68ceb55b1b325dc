"""A container that somebody renamed is still the one server of its directory."""
from lib.client import ok


def with_label(engine, name):
    return engine.client.containers.list(all=True, ignore_removed=True, filters={"label": f"pgberth.storage_dir={name}"})


def test_renamed_container_is_still_the_instances_own(instance, api, engine):
    engine.container(instance.name).rename("mine-" + instance.name)

    assert instance.create()["state"] == "running"
    assert [container.name for container in with_label(engine, instance.name)] == ["mine-" + instance.name]
    assert instance.value("SELECT 1") == 1


def test_coming_back_replaces_a_renamed_container(instance, api, engine):
    instance.keep_row("precious")
    engine.container(instance.name).rename("mine-" + instance.name)

    ok(api.restart(instance.name))

    assert [container.name for container in with_label(engine, instance.name)] == [f"pgberth-{instance.name}"]
    assert instance.kept_rows() == ["precious"]
