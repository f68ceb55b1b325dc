"""The container gives its tenant nothing but PostgreSQL."""
import json

import psycopg2
import pytest

from lib.concurrency import at_once
from lib.engine import Process


@pytest.mark.parametrize("pid_of", ["host_pid", "postmaster_pid"])
def test_processes_have_no_capabilities_no_new_privileges_and_a_seccomp_filter(shared, engine, pid_of):
    status = Process(getattr(engine, pid_of)(shared.name)).status()

    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_uid_and_gid_are_the_instances_own_in_every_process(shared, changeable, engine, settings):
    uids = []
    for name in (shared.name, changeable.name):
        status = Process(engine.postmaster_pid(name)).status()
        uids.append(int(status["Uid"].split()[0]))
        assert status["Uid"].split() == status["Gid"].split() == [str(uids[-1])] * 4
        assert status["Groups"] in ("", str(uids[-1]))

    assert uids[0] != uids[1]
    assert all(settings.uid_min <= uid <= settings.uid_max for uid in uids)


def test_tenants_directory_is_its_own_and_the_rest_is_roots(shared, engine, settings):
    uid = int(Process(engine.postmaster_pid(shared.name)).status()["Uid"].split()[0])

    owners = {path: path.stat().st_uid for path in [
        settings.root, settings.instances, shared.directory, shared.directory / "instance.json",
        shared.directory / "conf", shared.pgdata]}

    assert owners.pop(shared.pgdata) == uid
    assert set(owners.values()) == {0}


def test_nobody_else_can_enter_the_root_or_read_a_record(shared, settings):
    assert settings.root.stat().st_mode & 0o077 == 0
    assert (shared.directory / "instance.json").stat().st_mode & 0o007 == 0
    assert shared.pgdata.stat().st_mode & 0o077 == 0


def test_root_file_system_is_read_only(shared):
    said = shared.shell("touch /here /etc/pgberth/here /usr/here 2>&1; echo end")

    assert sum("Read-only file system" in line for line in said) == 3


def test_tmp_runs_no_programs(shared):
    said = shared.shell("cp /bin/true /tmp/try; /tmp/try 2>&1 || echo refused; rm -f /tmp/try")

    assert said[-1] == "refused"


def test_engine_is_told_the_whole_profile(shared, engine, host_config, settings):
    attributes = engine.inspect(shared.name)

    assert host_config["ReadonlyRootfs"] is True
    assert host_config["CapDrop"] == ["ALL"]
    assert not host_config["CapAdd"]
    assert host_config["Privileged"] is False
    assert host_config["Init"] is True
    assert host_config["Memory"] == host_config["MemorySwap"] == 512 * 2**20
    assert host_config["NanoCpus"] == 10**9
    assert host_config["PidsLimit"] > 0
    assert host_config["OomScoreAdj"] > 0
    assert host_config["RestartPolicy"]["Name"] == "unless-stopped"
    assert host_config["NetworkMode"] == settings.network
    assert not host_config["Binds"]
    assert not host_config["PublishAllPorts"]
    assert attributes["Config"]["StopSignal"] == "SIGINT"
    assert {"Name": "core", "Soft": 0, "Hard": 0} in host_config["Ulimits"]


def test_no_healthcheck_and_nothing_ever_executed_in_it(shared, engine):
    attributes = engine.inspect(shared.name)

    assert not attributes["ExecIDs"]
    assert "Health" not in attributes["State"]


def test_image_is_named_by_its_id(shared, engine):
    assert engine.inspect(shared.name)["Config"]["Image"].startswith("sha256:")


def test_labels_of_the_container_tell_a_person_what_it_is(shared, engine, settings):
    labels = engine.inspect(shared.name)["Config"]["Labels"]

    assert labels["pgberth.storage_dir"] == shared.name
    assert labels["pgberth.root"] == str(settings.root)
    assert labels["pgberth.port"] == str(shared.port)
    assert labels["pgberth.version"] == "17"


def test_docker_ps_shows_the_port_on_loopback_only(shared, engine):
    assert engine.container(shared.name).ports == {
        "5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(shared.port)}]}


def test_configuration_is_mounted_read_only_and_the_data_is_not(shared, engine):
    mounts = {mount["Destination"]: (mount["Source"], mount["RW"])
              for mount in engine.inspect(shared.name)["Mounts"] if mount["Type"] == "bind"}

    assert mounts == {"/pg": (str(shared.directory / "pg"), True),
                      "/etc/pgberth": (str(shared.directory / "conf"), False)}


def test_engine_socket_is_not_in_the_container(shared):
    assert shared.shell("ls /var/run/docker.sock /run/docker.sock 2>/dev/null; echo end") == ["end"]


def test_seccomp_profile_is_ours_without_io_uring_and_af_alg(host_config):
    option, = [text for text in host_config["SecurityOpt"] if text.startswith("seccomp=")]
    assert any(text.startswith("no-new-privileges") for text in host_config["SecurityOpt"])

    profile = json.loads(option.removeprefix("seccomp="))

    assert profile["defaultAction"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS")
    allowed = [rule for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
    assert not any("io_uring_setup" in rule["names"] for rule in allowed)
    assert all(rule.get("args") for rule in allowed if "socket" in rule["names"])


def test_io_uring_is_refused_in_the_container(shared):
    # 425 is io_uring_setup on every architecture; allowed, it would be EFAULT (14).
    errno, = shared.shell("perl -e '$x = syscall(425, 8, 0); print $! + 0'")

    assert errno in ("1", "38")


def test_core_dumps_are_off(shared, engine):
    assert Process(engine.postmaster_pid(shared.name)).limit("Max core file size") == "0"


def test_tenant_cannot_reach_its_neighbour(shared, changeable, engine, settings):
    network = engine.inspect(changeable.name)["NetworkSettings"]["Networks"][settings.network]
    targets = [(network["IPAddress"], 5432), (network["Gateway"], changeable.port), ("127.0.0.1", changeable.port)]

    def said(address, port):
        return shared.shell(f"timeout 3 bash -c 'echo > /dev/tcp/{address}/{port}' 2>/dev/null"
                            " && echo reached || echo not")

    answers = at_once([lambda target=target: said(*target) for target in targets])
    assert dict(zip(targets, answers)) == {target: ["not"] for target in targets}


def test_tenant_sees_only_its_own_processes(shared):
    names = shared.shell("cat /proc/[0-9]*/comm | sort -u")

    assert set(names) <= {"docker-init", "tini", "postgres", "sh", "cat", "sort"}


# ---- logins ------------------------------------------------------------------------------------

def test_login_by_tls_with_channel_binding(shared):
    assert shared.value("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                        sslmode="require", channel_binding="require") is True


@pytest.mark.parametrize("user", ["pythonanywhere_helper", "postgres", "nobody"])
@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_login_without_a_password_is_refused(shared, user, database):
    with pytest.raises(psycopg2.OperationalError, match="no password supplied|rejects|no pg_hba"):
        psycopg2.connect(host="localhost", port=shared.port, user=user, database=database, passfile="/dev/null")


def test_replication_without_a_password_is_refused(shared):
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="localhost", port=shared.port, user=shared.admin_user, replication="true",
                         passfile="/dev/null")


def test_wrong_password_is_refused(shared):
    assert "authentication failed" in shared.refusal(password=shared.password + "x")


def test_bootstrap_role_has_no_password(shared):
    assert shared.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'") is None


def test_password_is_kept_as_a_scram_verifier(shared):
    verifier = shared.value("SELECT rolpassword FROM pg_authid WHERE rolname = %s", shared.admin_user)

    assert verifier.startswith("SCRAM-SHA-256$4096:")


def test_server_names_itself_and_reads_our_files(shared):
    assert shared.value("SHOW cluster_name") == shared.name
    for setting in ("config_file", "hba_file", "ident_file"):
        assert shared.value(f"SHOW {setting}").startswith("/etc/pgberth/")


def test_alter_system_does_not_replace_our_hba(changeable, api):
    changeable.sql("ALTER SYSTEM SET hba_file = '/pg/data/pg_hba.conf'")
    changeable.sql("ALTER SYSTEM SET logging_collector = off")

    assert api.restart(changeable.name).status_code == 200

    assert changeable.value("SHOW hba_file").startswith("/etc/pgberth/")
    assert changeable.value("SHOW logging_collector") == "on"


def test_every_instance_has_a_system_identifier_and_a_certificate_of_its_own(shared, changeable):
    question = "SELECT system_identifier FROM pg_control_system()"

    assert shared.value(question) != changeable.value(question)
    assert (shared.directory / "conf/server.crt").read_bytes() != (changeable.directory / "conf/server.crt").read_bytes()


def test_data_is_synced_and_checked(shared):
    for setting in ("fsync", "full_page_writes", "data_checksums", "restart_after_crash"):
        assert shared.value(f"SHOW {setting}") == "on"
