# SPDX-License-Identifier: Apache-2.0
"""Signing in, sessions and their end, throttling, invitations: the commands of access over a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from muniment.access import commands
from muniment.access.commands import AcceptInvitation, InviteMember, SignedIn, SignIn, SignInRefused
from muniment.access.errors import (
    InvitationInvalid,
    LastOwner,
    NotAMember,
    NotFound,
    NotSignedIn,
    TooManyAttempts,
    WeakPassword,
    WrongCredentials,
)
from muniment.access.model import Actor, Role
from muniment.access.model.sign_in import NO_PASSWORD, PASSWORD_COST, SESSION_ABSOLUTE, SESSION_IDLE, hash_password, verify_password
from muniment.units.ids import TenantId
from tests.access.unit import PASSWORD, Installation, an_actor, an_email


def sign_in(
    installation: Installation, email: str, password: str = PASSWORD, *, source: str = "203.0.113.7", tenant_id: TenantId | None = None
) -> SignedIn | SignInRefused:
    with installation.begin_sign_in() as unit:
        return commands.sign_in(SignIn(email=email, password=password, source=source, tenant_id=tenant_id), unit=unit)


def signed_in(installation: Installation, email: str, password: str = PASSWORD) -> SignedIn:
    outcome = sign_in(installation, email, password, source=an_email())
    assert isinstance(outcome, SignedIn)
    return outcome


def refusal(outcome: SignedIn | SignInRefused | Actor) -> Exception:
    assert isinstance(outcome, SignInRefused)
    return outcome.refusal


def authenticate(installation: Installation, token: str) -> Actor | None:
    with installation.begin_sign_in() as unit:
        return commands.authenticate(token, unit=unit).actor


def invite(installation: Installation, owner: Actor, email: str, *roles: Role) -> str:
    with installation.begin(owner.tenant_id) as unit:
        return commands.invite_member(owner, InviteMember(email=email, display_name="Ben", roles=frozenset(roles)), unit=unit)


def accept(installation: Installation, token: str, password: str = PASSWORD) -> Actor | SignInRefused:
    with installation.begin(commands.invitation_tenant(token)) as unit:
        return commands.accept_invitation(AcceptInvitation(token=token, password=password, source="203.0.113.9"), unit=unit)


def test_the_right_password_opens_a_session_for_the_owners_organisation(installation: Installation) -> None:
    email = an_email()
    owner = installation.found(email=email).owner
    outcome = signed_in(installation, email.upper())
    assert authenticate(installation, outcome.token) == owner


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    wrong = refusal(sign_in(installation, email, "not the password"))
    unknown = refusal(sign_in(installation, an_email(), "not the password"))
    assert isinstance(wrong, WrongCredentials)
    assert isinstance(unknown, WrongCredentials)
    assert wrong.as_json() == unknown.as_json()


def test_an_unknown_user_costs_as_much_work_as_a_known_one() -> None:
    cost = f"m={PASSWORD_COST.memory_kib},t={PASSWORD_COST.passes},p={PASSWORD_COST.lanes}"
    assert f"${cost}$" in NO_PASSWORD
    assert f"${cost}$" in hash_password(PASSWORD, salt=bytes(16))


def test_a_password_is_recognised_however_its_letters_are_composed() -> None:
    assert verify_password("cafe\u0301 cafe\u0301 cafe\u0301", hash_password("café café café", salt=bytes(16)))
    assert not verify_password("cafe cafe cafe", hash_password("café café café", salt=bytes(16)))


def test_neither_token_nor_password_stands_in_the_database(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    token = signed_in(installation, email).token
    with installation.database.worker_transaction() as connection:
        for table in ("session", "user_account", "sign_in_attempt", "audit_entry"):
            dumped = str(connection.execute(sa.text(f"SELECT t::text FROM access.{table} t")).all())
            assert token not in dumped
            assert PASSWORD not in dumped
            assert email not in dumped
            assert email.encode().hex() not in dumped


def test_the_sixth_failure_for_an_account_makes_it_wait_even_with_the_right_password(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    for attempt in range(5):
        assert isinstance(refusal(sign_in(installation, email, "wrong wrong", source=f"198.51.100.{attempt}")), WrongCredentials)
    blocked = refusal(sign_in(installation, email))
    assert isinstance(blocked, TooManyAttempts)
    assert blocked.facts["retry_after_seconds"] == 30
    installation.clock.advance(dt.timedelta(seconds=31))
    assert isinstance(sign_in(installation, email), SignedIn)


def test_each_further_failure_doubles_the_pause(installation: Installation) -> None:
    email = an_email()
    for attempt in range(5):
        sign_in(installation, email, "wrong wrong", source=f"198.51.100.{attempt}")
    pauses = []
    for attempt in range(7):
        blocked = refusal(sign_in(installation, email, source=f"192.0.2.{attempt}"))
        assert isinstance(blocked, TooManyAttempts)
        pauses.append(blocked.facts["retry_after_seconds"])
        installation.clock.advance(dt.timedelta(seconds=pauses[-1]))
        sign_in(installation, email, "wrong wrong", source=f"192.0.2.{attempt}")
    assert pauses == [30, 60, 120, 240, 480, 900, 900]


def test_a_source_that_tries_many_accounts_has_to_wait(installation: Installation) -> None:
    source = an_email()
    for _ in range(30):
        sign_in(installation, an_email(), "wrong wrong", source=source)
    assert isinstance(refusal(sign_in(installation, an_email(), source=source)), TooManyAttempts)


def test_one_good_account_does_not_buy_a_source_new_guesses(installation: Installation) -> None:
    email, source = an_email(), an_email()
    installation.found(email=email)
    for _ in range(29):
        sign_in(installation, an_email(), "wrong wrong", source=source)
    assert isinstance(sign_in(installation, email, source=source), SignedIn)
    sign_in(installation, an_email(), "wrong wrong", source=source)
    assert isinstance(refusal(sign_in(installation, email, source=source)), TooManyAttempts)


def test_a_burst_of_parallel_guesses_gets_no_more_tries_than_a_queue(installation: Installation) -> None:
    email = an_email()
    refusals: list[Exception] = []

    def guess(number: int) -> None:
        refusals.append(refusal(sign_in(installation, email, "wrong wrong", source=f"198.51.100.{number}")))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in refusals) == ["TooManyAttempts"] * 3 + ["WrongCredentials"] * 5


def test_a_session_ends_after_half_an_hour_without_use(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    token = signed_in(installation, email).token
    installation.clock.advance(SESSION_IDLE - dt.timedelta(seconds=1))
    authenticate(installation, token)
    installation.clock.advance(SESSION_IDLE - dt.timedelta(seconds=1))
    authenticate(installation, token)
    installation.clock.advance(SESSION_IDLE)
    with pytest.raises(NotSignedIn):
        authenticate(installation, token)


def test_a_session_ends_after_twelve_hours_however_busy(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    token = signed_in(installation, email).token
    quarter = dt.timedelta(minutes=15)
    for _ in range(SESSION_ABSOLUTE // quarter - 1):
        installation.clock.advance(quarter)
        authenticate(installation, token)
    installation.clock.advance(quarter)
    with pytest.raises(NotSignedIn):
        authenticate(installation, token)


def test_signing_out_ends_the_session_and_no_other(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    first, second = signed_in(installation, email).token, signed_in(installation, email).token
    with installation.begin_sign_in() as unit:
        commands.sign_out(first, unit=unit)
        commands.sign_out("never a token", unit=unit)
    with pytest.raises(NotSignedIn):
        authenticate(installation, first)
    assert authenticate(installation, second) is not None


@pytest.mark.parametrize("token", ["", "x", "é" * 50, "\udc80", "a" * 100_000])
def test_a_made_up_token_is_no_session(installation: Installation, token: str) -> None:
    with pytest.raises(NotSignedIn):
        authenticate(installation, token)


def test_a_new_password_ends_every_session_and_the_old_password(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    first, second = signed_in(installation, email).token, signed_in(installation, email).token
    with installation.begin_sign_in() as unit:
        changed = commands.change_password(first, old=PASSWORD, new="nine loud bitterns", source=an_email(), unit=unit)
    assert isinstance(changed, SignedIn)
    assert authenticate(installation, changed.token) is not None
    for token in (first, second):
        with pytest.raises(NotSignedIn):
            authenticate(installation, token)
    assert isinstance(refusal(sign_in(installation, email)), WrongCredentials)
    assert isinstance(sign_in(installation, email, "nine loud bitterns"), SignedIn)


def test_a_new_password_needs_the_old_one(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    token = signed_in(installation, email).token
    with installation.begin_sign_in() as unit:
        outcome = commands.change_password(token, old="guessed wrong", new="nine loud bitterns", source=an_email(), unit=unit)
    assert isinstance(refusal(outcome), WrongCredentials)
    assert isinstance(sign_in(installation, email), SignedIn)


@pytest.mark.parametrize("password", ["short", "a" * 20, "abababababab", "PasswordPassword", "qwertyuiopas", "x" * 129, "012345678901"])
def test_a_password_that_anybody_tries_first_is_refused(installation: Installation, password: str) -> None:
    token = invite(installation, installation.found().owner, an_email(), Role.AUDITOR)
    with pytest.raises(WeakPassword):
        accept(installation, token, password)


def test_an_invited_person_sets_a_password_and_becomes_a_member(installation: Installation) -> None:
    owner, email = installation.found().owner, an_email()
    actor = accept(installation, invite(installation, owner, email, Role.TRANSFER_AGENT))
    assert isinstance(actor, Actor)
    assert actor.roles == frozenset({Role.TRANSFER_AGENT})
    assert authenticate(installation, signed_in(installation, email).token) == actor
    with installation.begin(owner.tenant_id) as unit:
        members = commands.list_members(owner, unit=unit)
        assert unit.events()[-1] == "access.member_joined"
    assert {member.email for member in members} >= {email}


def test_an_invitation_is_taken_once_and_only_in_its_week(installation: Installation) -> None:
    owner = installation.found().owner
    used, late = (invite(installation, owner, an_email(), Role.AUDITOR) for _ in range(2))
    accept(installation, used)
    with pytest.raises(InvitationInvalid):
        accept(installation, used)
    installation.clock.advance(dt.timedelta(days=7))
    with pytest.raises(InvitationInvalid):
        accept(installation, late)


def test_an_invitation_of_one_organisation_opens_no_other(installation: Installation) -> None:
    token = invite(installation, installation.found().owner, an_email(), Role.OWNER)
    other = installation.found().owner.tenant_id
    with pytest.raises(InvitationInvalid):
        accept(installation, f"{other}.{token.partition('.')[2]}")


def test_a_known_user_joins_a_second_organisation_with_their_own_password_only(installation: Installation) -> None:
    email = an_email()
    first = installation.found(email=email).owner
    installation.clock.advance(dt.timedelta(days=1))
    second = installation.found().owner
    token = invite(installation, second, email, Role.AUDITOR)
    assert isinstance(refusal(accept(installation, token, "a password of the inviter")), WrongCredentials)
    joined = accept(installation, token)
    assert isinstance(joined, Actor)
    assert joined.user_id == first.user_id
    session = signed_in(installation, email)
    assert authenticate(installation, session.token) == first
    with installation.begin_sign_in() as unit:
        moved = commands.choose_organisation(session.token, second.tenant_id, unit=unit)
    assert authenticate(installation, moved.token) == joined
    with pytest.raises(NotSignedIn):
        authenticate(installation, session.token)


def test_a_session_cannot_be_moved_to_an_organisation_that_is_not_the_users(installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    foreign = installation.found().owner.tenant_id
    token = signed_in(installation, email).token
    with pytest.raises(NotAMember), installation.begin_sign_in() as unit:
        commands.choose_organisation(token, foreign, unit=unit)
    assert isinstance(refusal(sign_in(installation, email, tenant_id=foreign)), NotAMember)


def test_a_removed_member_is_out_at_once(installation: Installation) -> None:
    owner, email = installation.found().owner, an_email()
    actor = accept(installation, invite(installation, owner, email, Role.AUDITOR))
    assert isinstance(actor, Actor)
    token = signed_in(installation, email).token
    with installation.begin(owner.tenant_id) as unit:
        commands.remove_member(owner, actor.user_id, unit=unit)
    with pytest.raises(NotSignedIn):
        authenticate(installation, token)


def test_changed_roles_count_from_the_next_request(installation: Installation) -> None:
    owner, email = installation.found().owner, an_email()
    actor = accept(installation, invite(installation, owner, email, Role.AUDITOR))
    assert isinstance(actor, Actor)
    token = signed_in(installation, email).token
    with installation.begin(owner.tenant_id) as unit:
        commands.change_roles(owner, actor.user_id, frozenset({Role.TRANSFER_AGENT}), unit=unit)
    after = authenticate(installation, token)
    assert after is not None
    assert after.roles == frozenset({Role.TRANSFER_AGENT})


def test_the_last_owner_stays(installation: Installation) -> None:
    owner = installation.found().owner
    with pytest.raises(LastOwner), installation.begin(owner.tenant_id) as unit:
        commands.remove_member(owner, owner.user_id, unit=unit)
    with pytest.raises(LastOwner), installation.begin(owner.tenant_id) as unit:
        commands.change_roles(owner, owner.user_id, frozenset({Role.AUDITOR}), unit=unit)


def test_two_owners_who_leave_at_once_leave_one_owner(installation: Installation) -> None:
    owner, email = installation.found().owner, an_email()
    second = accept(installation, invite(installation, owner, email, Role.OWNER))
    assert isinstance(second, Actor)

    def leave(actor: Actor) -> None:
        with installation.begin(actor.tenant_id) as unit:
            commands.remove_member(actor, actor.user_id, unit=unit)

    with ThreadPoolExecutor(1) as thread:
        with installation.begin(owner.tenant_id) as unit:
            commands.remove_member(owner, owner.user_id, unit=unit)
            other = thread.submit(leave, second)
            # The other decides only after this one's commit; without the lock it would be through within this time.
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        with pytest.raises(LastOwner):
            other.result(timeout=30)


def test_a_stranger_is_no_member_to_change(installation: Installation) -> None:
    owner = installation.found().owner
    stranger = an_actor(owner.tenant_id, Role.AUDITOR)
    with pytest.raises(NotFound), installation.begin(owner.tenant_id) as unit:
        commands.remove_member(owner, stranger.user_id, unit=unit)


def test_founding_with_a_known_address_needs_its_password(installation: Installation) -> None:
    email = an_email()
    first = installation.found(email=email).owner
    assert installation.found(email=email).owner.user_id == first.user_id
    with installation.begin_sign_in() as unit:
        unit.users.by_email(email)
        unit.users.set_password(first.user_id, hash_password("another password", salt=bytes(16)))
    with pytest.raises(WrongCredentials):
        installation.found(email=email)
