"""known_hosts as OpenSSH reads it: every line here is also put to ssh-keygen."""

from pathlib import Path

import pytest
from daemon.flavour import execute

from ferrule.apply.hostkeys import HostKey, Known, look_up, pinned

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILJxPDbBgNnw3Q8qjcyqMMMQZriH1ORuH5zvwqwggAp3"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG2Zx1pQn0n8lI0vXH3LZJQ8c0QJ3y9lJ1i5hQwYyq0f"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDLPrThz5T0mF2w0Vnq2HkCkV2bQm0m8yJm0t3QFzJqOw=="


def key(text: str) -> HostKey:
    return pinned(text).keys[0]


def known(tmp_path: Path, text: str, host: str = "tor-a.example.net", port: int = 22) -> Known:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    return look_up(host, port, file)


FOUND = {
    "by name": f"tor-a.example.net {ED25519}",
    "among several names": f"192.0.2.1,tor-a.example.net {ED25519}",
    "in any case": f"TOR-A.example.net {ED25519}",
    "with a comment": f"tor-a.example.net {ED25519} of the rack",
    "by a pattern": f"*.example.net {ED25519}",
    "by a pattern with an exception": f"!tor-b.example.net,*.example.net {ED25519}",
    "after a line that is none": f"tor-a.example.net\n# {OTHER}\n\ntor-a.example.net {ED25519}",
}
NOT_FOUND = {
    "another host": f"tor-b.example.net {ED25519}",
    "an exception": f"!tor-a.example.net,*.example.net {ED25519}",
    "another port": f"[tor-a.example.net]:2222 {ED25519}",
    "an authority": f"@cert-authority *.example.net {ED25519}",
    "a comment": f"# tor-a.example.net {ED25519}",
    "no base64": "tor-a.example.net ssh-ed25519 ????",
}


def keygen(*words: str) -> str:
    return execute(["ssh-keygen", *words]).stdout


def keygen_finds(file: Path, name: str) -> bool:
    said = keygen("-F", name, "-f", str(file)).splitlines()
    return any(ED25519.split()[1] in line for line in said)


@pytest.mark.parametrize("case", FOUND)
def test_a_host_is_known(case: str, tmp_path: Path) -> None:
    assert known(tmp_path, FOUND[case]).admits(key(ED25519))
    assert keygen_finds(tmp_path / "known_hosts", "tor-a.example.net")


@pytest.mark.parametrize("case", NOT_FOUND)
def test_a_host_is_not_known(case: str, tmp_path: Path) -> None:
    assert known(tmp_path, NOT_FOUND[case]).keys == ()
    assert not keygen_finds(tmp_path / "known_hosts", "tor-a.example.net") or "@" in NOT_FOUND[case]


def test_a_hashed_name(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"tor-a.example.net {ED25519}\n[192.0.2.1]:2222 {OTHER}\n")
    keygen("-q", "-H", "-f", str(file))
    assert "tor-a" not in file.read_text()

    assert look_up("tor-a.example.net", 22, file).keys == (key(ED25519),)
    assert look_up("192.0.2.1", 2222, file).keys == (key(OTHER),)
    assert look_up("192.0.2.1", 22, file).keys == ()


def test_a_port_of_its_own(tmp_path: Path) -> None:
    text = f"[2001:db8::1]:2222 {ED25519}\n"

    assert known(tmp_path, text, "2001:db8::1", 2222).admits(key(ED25519))
    assert known(tmp_path, text, "2001:db8::1").keys == ()


def test_a_host_with_several_keys(tmp_path: Path) -> None:
    text = "\n".join(f"tor-a.example.net {one}" for one in (RSA, ED25519, OTHER))
    found = known(tmp_path, text)

    assert all(found.admits(key(one)) for one in (RSA, ED25519, OTHER))
    assert found.signatures == {"rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"}


def test_a_revoked_key_is_never_admitted(tmp_path: Path) -> None:
    text = f"tor-a.example.net {ED25519}\n@revoked * {ED25519}\n"

    assert not known(tmp_path, text).admits(key(ED25519))


def test_the_file_may_change_meanwhile(tmp_path: Path) -> None:
    assert known(tmp_path, f"tor-a.example.net {ED25519}\n").keys == (key(ED25519),)
    assert known(tmp_path, f"tor-a.example.net {OTHER}\n\n").keys == (key(OTHER),)


def test_a_key_that_is_pinned() -> None:
    assert pinned(f"{ED25519} of the rack").admits(key(ED25519))
    assert not pinned(ED25519).admits(key(OTHER))
    assert str(key(ED25519)) == ED25519
    with pytest.raises(ValueError, match="hostKey"):
        pinned("AAAAC3NzaC1lZDI1NTE5")


def test_the_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(ED25519)
    said = keygen("-l", "-f", str(file))

    assert key(ED25519).fingerprint.split()[1] in said.split()


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look_up("tor-a.example.net", 22, tmp_path / "none")
