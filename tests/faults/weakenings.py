"""Defences taken away: what in which file is replaced by what, and the test that has to turn red."""

from dataclasses import dataclass
from pathlib import Path

AUTH = "tests/unit/test_auth.py::"
MATRIX = "tests/e2e/test_access_matrix.py::test_only_allowed_roles_get_in_and_only_to_their_own_data"
ORDERS = "tests/e2e/test_bad_input_orders.py::"
CONSOLE = "tests/unit/test_console.py::"
LIMITS = "tests/e2e/test_limits.py::"
WORST = "tests/integration/test_worst_input.py::"
PRIVACY = "tests/integration/test_privacy.py::"
TRACKS = "tests/integration/test_tracks.py::"
SOCKET = "tests/integration/test_socket.py::"
ACTS = "tests/integration/test_acts.py::"


@dataclass(frozen=True)
class Weakening:
    """One replacement in one file, and the test that has to notice it."""

    path: str
    old: str
    new: str
    test: str

    def apply(self, tree: Path) -> None:
        """Makes it in this copy of the tree. Raises ``AssertionError`` if the code has changed."""
        text = self.read(tree)
        (tree / self.path).write_text(text.replace(self.old, self.new))

    def read(self, tree: Path) -> str:
        """What is to be weakened there. Raises ``AssertionError`` if the code has changed."""
        text = (tree / self.path).read_text()
        assert text.count(self.old) == 1, f"{self.path} has changed: update this weakening"
        return text


WEAKENINGS = {
    "tokens without a signature": Weakening(
        "web/identity/tokens.py",
        "    for known in keys.usable():\n",
        '    if jwt.get_unverified_header(token).get("alg") == "none":\n'
        '        return jwt.PyJWS().decode(token, "", options={"verify_signature": False})\n'
        "    for known in keys.usable():\n",
        AUTH + "test_headers_other_than_ours_are_refused",
    ),
    "tokens that have run out": Weakening(
        "web/identity/tokens.py",
        "if expires <= seconds:",
        "if False:",
        AUTH + "test_claims_out_of_bounds_are_refused",
    ),
    "tokens of any length": Weakening(
        "web/identity/tokens.py",
        'if len(token.encode(errors="replace")) > MAX_TOKEN_BYTES:',
        "if False:",
        AUTH + "test_a_token_over_4_kb_is_refused_before_it_is_parsed",
    ),
    "tokens of any issuer": Weakening(
        "web/identity/tokens.py",
        'if configured.jwt_issuer and claims.get("iss") != configured.jwt_issuer:',
        "if False:",
        AUTH + "test_the_issuer_must_be_ours_where_one_is_configured",
    ),
    "tokens that were called back": Weakening(
        "web/guards.py",
        "        revocations.refuse(found)\n",
        "",
        "tests/e2e/test_bad_input_tokens.py::"
        "test_a_token_that_is_called_back_is_refused_and_its_sockets_closed_within_5_s",
    ),
    "any role": Weakening(
        "web/guards.py", "if known.role not in roles:", "if False:", MATRIX + "[GET /api/v1/drivers/me]"
    ),
    "any owner": Weakening(
        "web/routes/orders.py",
        'if orjson.loads(view)["order"]["customerId"] != caller().sub:',
        "if False:",
        MATRIX + "[GET /api/v1/orders/<order_id>]",
    ),
    "any origin": Weakening(
        "web/socket/handshake.py",
        "if not _from_allowed_origin():",
        "if False:",
        SOCKET + "test_everything_is_checked_before_the_upgrade",
    ),
    "any number of messages": Weakening(
        "web/socket/websocket.py",
        "event.message_finished) and self._floods():",
        "event.message_finished) and False:",
        SOCKET + "test_a_frame_that_is_wrong_closes_with_its_code",
    ),
    "bodies of any length": Weakening(
        "web/http/parsing.py",
        "if length > MAXIMUM_BODY_BYTES:",
        "if False:",
        "tests/e2e/test_bad_input_http.py::test_http_that_is_wrong_is_refused_by_the_server",
    ),
    "names that appear twice": Weakening(
        "web/http/parsing.py",
        "if len(found) != len(pairs):",
        "if False:",
        ORDERS + "test_a_body_that_is_wrong_is_refused_by_its_field",
    ),
    "two keys in one": Weakening(
        "gunicornconfig.py",
        "        if len(lines) > 1:\n",
        "        if False:\n",
        ORDERS + "test_a_key_that_is_wrong_is_refused",
    ),
    "tokens given out with a secret of one's own": Weakening(
        "models/settings.py",
        """            and not self.jwt_public_key
            and self.jwt_secret == DEVELOPMENT_SECRET
""",
        "            and not self.jwt_public_key\n",
        CONSOLE + "test_elsewhere_nobody_gets_a_token",
    ),
    "tokens given out under any host": Weakening(
        "web/http/hosts.py",
        "        names_loopback(request.host)\n        and ",
        "        ",
        CONSOLE + "test_a_page_under_a_rebound_name_asks_for_a_token",
    ),
    "a city for any host": Weakening(
        "web/console/city.py",
        "    hosts.require_own_machine(request)\n",
        "",
        CONSOLE + "test_development_opens_what_it_has_to_its_own_machine_alone",
    ),
    "anybody's calls and frames for any host": Weakening(
        "web/console/watched.py",
        "    hosts.require_own_machine(request)\n",
        "",
        CONSOLE + "test_development_opens_what_it_has_to_its_own_machine_alone",
    ),
    "robo drivers outside development": Weakening(
        "web/routes/robo.py",
        '    if not (settings.load().hands_out_tokens and find_spec("tools")):',
        "    if False:",
        "tests/integration/test_robo.py::test_elsewhere_the_header_is_ignored",
    ),
    "tokens that anybody can sign, under a name that can be rebound": Weakening(
        "web/guards.py",
        "    _refuse_a_rebound_name()\n    quotas.pace",
        "    quotas.pace",
        CONSOLE + "test_what_anybody_can_sign_is_not_taken_under_a_name_that_a_page_can_rebind",
    ),
    "wrong tokens that nobody counts": Weakening(
        "web/guards.py",
        "    except Unauthenticated:\n        quotas.count(None)\n",
        "    except Unauthenticated:\n",
        LIMITS + "test_guesses_at_tokens_in_the_handshake_count_for_their_address",
    ),
    "any number of sockets": Weakening(
        "web/limits/quotas.py",
        'return "sockets", configured.socket_openings_per_minute',
        'return "sockets", 0',
        LIMITS + "test_one_person_opens_so_many_sockets_a_minute_and_others_of_the_same_address_do_too",
    ),
    "any number of changes": Weakening(
        "web/limits/quotas.py",
        'return "writes", 0 if',
        'return "writes", 0 if True or',
        LIMITS + "test_what_changes_something_has_a_quota_for_each_person",
    ),
    "drivers' ids for customers": Weakening(
        "workers/reading/pseudonyms.py",
        "return driver_id if driver_id in self._assigned else of(self._order_id, driver_id)",
        "return driver_id",
        PRIVACY + "test_a_customer_sees_neither_who_was_asked_nor_how_far_away_they_were",
    ),
    "pseudonyms that are the same in every order": Weakening(
        "workers/reading/pseudonyms.py",
        'f"{order_id}:{driver_id}"',
        'f"{driver_id}"',
        PRIVACY + "test_a_drivers_id_in_one_order_is_none_in_the_next_and_the_same_in_every_process",
    ),
    "pseudonyms without a secret": Weakening(
        "workers/reading/pseudonyms.py",
        "hmac.digest(_secret(), ",
        'hmac.digest(b"weelo", ',
        PRIVACY + "test_an_id_cannot_be_worked_out_without_the_secret",
    ),
    "distances for customers": Weakening(
        "workers/reading/pseudonyms.py",
        'if name != "pickupDistanceKm"',
        "if True",
        PRIVACY + "test_a_customer_sees_neither_who_was_asked_nor_how_far_away_they_were",
    ),
    "operators' ids for customers": Weakening(
        "workers/reading/pseudonyms.py",
        "if name in SHOWN}",
        "}",
        PRIVACY + "test_a_customer_sees_neither_who_was_asked_nor_how_far_away_they_were",
    ),
    "phones for ever": Weakening(
        "models/tables/orders.py",
        "PHONE_HOURS = 24\n",
        "PHONE_HOURS = 24_000\n",
        PRIVACY + "test_a_drivers_phone_is_gone_a_day_after_the_trips_end",
    ),
    "drivers as registered now": Weakening(
        "models/tables/orders.py",
        "coalesce(t.driver_name, d.name)",
        "coalesce(d.name)",
        PRIVACY + "test_an_order_shows_its_driver_as_at_the_assignment",
    ),
    "tracks from before the trip, as they are written": Weakening(
        "workers/drivers/tracking.py",
        "SELECT ceil(extract(epoch FROM t.assigned_at) * 1000) AS from_ms",
        "SELECT 0 AS from_ms",
        TRACKS + "test_a_track_has_nothing_from_before_the_assignment",
    ),
    "tracks from before and after the trip, as they are shown": Weakening(
        "workers/drivers/tracking.py",
        "        AND CAST(point ->> 0 AS bigint) BETWEEN :from_ms AND :until_ms\n",
        "",
        TRACKS + "test_what_is_in_the_table_from_before_and_after_a_trip_is_not_shown",
    ),
    "tracks from after the trip, as they are written": Weakening(
        "workers/drivers/tracking.py",
        "coalesce({ENDED_AT}, now() + interval",
        "coalesce(NULL, now() + interval",
        TRACKS + "test_a_point_from_after_the_end_is_not_written",
    ),
    "any number of points a second": Weakening(
        "workers/drivers/tracking.py",
        "str(second % PART_SECONDS)",
        "str(point[0] % (PART_SECONDS * 1000))",
        TRACKS + "test_a_track_keeps_a_point_a_second_however_many_are_sent",
    ),
    "positions from before the assignment for customers": Weakening(
        "models/live/lua/driver_update.lua",
        " and unpack_doubles('<d', place, POINT + 1) >= tonumber(since)",
        "",
        TRACKS + "test_a_customer_never_sees_where_the_driver_was_before_the_assignment",
    ),
    "pages that read the whole track": Weakening(
        "workers/drivers/tracking.py",
        "    ORDER BY begins_s, at_ms LIMIT",
        "    ORDER BY at_ms LIMIT",
        TRACKS + "test_a_page_reads_no_more_parts_than_it_shows",
    ),
    "readers on all connections": Weakening(
        "models/db.py",
        "READERS = 4\n",
        "READERS = 40\n",
        TRACKS + "test_however_many_read_an_order_finds_a_connection",
    ),
    "whoever says he is a proxy": Weakening(
        "web/http/client_address.py",
        " or not _trusted(address)",
        "",
        "tests/unit/test_addresses.py::test_only_a_trusted_proxy_is_believed",
    ),
    "names looked for among all names": Weakening(
        "web/http/parsing.py",
        "    seen: set[str] = set()\n",
        "    names = list(names)\n    return next(name for name in names if names.count(name) > 1)\n"
        "    seen: set[str] = set()\n",
        WORST + "test_worst_input_in_the_body_of_every_route",
    ),
    "a row for each of 8,000 mistakes": Weakening(
        "web/http/errors.py",
        "MOST_DETAILS = 50\n",
        "MOST_DETAILS = 100_000\n",
        WORST + "test_a_body_of_many_mistakes_names_fifty_and_says_how_many_more_there_are",
    ),
    "what is quoted of any length": Weakening(
        "web/http/errors.py",
        "LONGEST_SHOWN = 200\n",
        "LONGEST_SHOWN = 200_000\n",
        WORST + "test_what_is_quoted_of_a_body_is_short_and_has_no_half_characters",
    ),
    "frames of any number of values": Weakening(
        "web/socket/reader.py",
        'if text.count(",") + text.count("{") > MOST_VALUES:',
        "if False:",
        WORST + "test_worst_input_in_every_frame",
    ),
    "any number of fragments": Weakening(
        "web/socket/websocket.py",
        " or self._fragments > MAX_FRAGMENTS\n",
        "\n",
        WORST + "test_worst_input_in_fragments_ends_the_connection",
    ),
    "any number of bytes for a peer that does not read": Weakening(
        "web/socket/send_queue.py",
        "        if too_much:\n",
        "        if False:\n",
        "tests/unit/test_send_queue.py::test_a_peer_that_lets_too_much_wait_is_cut_off",
    ),
    "messages of any number of bytes": Weakening(
        "web/socket/websocket.py",
        "self._bytes > MAX_MESSAGE_BYTES or ",
        "",
        "tests/unit/test_websocket.py::"
        "test_what_is_wrong_closes_with_its_code_once_and_nothing_after_it_is_received",
    ),
    "a head read anew with each packet": Weakening(
        "server/reading.py",
        "                    head = self._head(unreader, first)\n",
        "                    head = first\n",
        "tests/unit/test_reading_head.py::test_a_head_that_comes_byte_by_byte_is_looked_at_once",
    ),
    "headers of any size together": Weakening(
        "server/reading.py",
        "        if len(data) > HEADERS_BYTES:\n",
        "        if False:\n",
        "tests/unit/test_reading_head.py::test_a_head_that_is_wrong_is_refused_whatever_its_packets",
    ),
    "any number of chunks": Weakening(
        "server/reading.py",
        "        if self._count > MOST_CHUNKS:\n",
        "        if False:\n",
        "tests/e2e/test_reading_requests.py::test_more_chunks_than_anybody_needs_are_refused",
    ),
    "whole headers as keys": Weakening(
        "web/http/client_address.py",
        "    return _address(text) if len(text) <= LONGEST else None\n",
        "    return _address(text)\n",
        "tests/unit/test_addresses.py::test_nothing_long_of_a_forged_header_is_kept",
    ),
    "as many proxies as a client names": Weakening(
        "web/http/client_address.py",
        "    for _ in range(MOST_PROXIES):\n",
        "    for _ in range(100_000):\n",
        "tests/unit/test_addresses.py::test_a_chain_of_addresses_is_followed_for_as_many_hops_as_there_are_proxies",
    ),
    "acts on a trip that is another driver's by now": Weakening(
        "workers/operating/held.py",
        "        if act.driver_id not in (None, truck.driver_id):\n",
        "        if False:\n",
        ACTS + "test_an_act_on_a_trip_is_done_once_and_only_to_the_driver_who_was_meant",
    ),
}
