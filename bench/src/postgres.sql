-- A ledger that reserves and settles in batches, as fast as PostgreSQL can be asked to while each transfer is still judged.
-- An odd account is a grant that may not be overdrawn; the one after it is what was consumed of it. A settlement posts 100 of the 450
-- that were reserved.

CREATE TABLE account (
  id int PRIMARY KEY,
  debits_pending bigint NOT NULL,
  debits_posted bigint NOT NULL,
  credits_pending bigint NOT NULL,
  credits_posted bigint NOT NULL
) WITH (fillfactor = 10);

-- `pending` names the reservation that a settlement ends; it is unique, so that each is settled once.
CREATE TABLE transfer (
  id bigint PRIMARY KEY,
  pending bigint UNIQUE,
  debit int NOT NULL,
  credit int NOT NULL,
  amount bigint NOT NULL
);

-- Of blocks of a million ids, one a transaction: clients on different grants need not wait for each other.
CREATE SEQUENCE ids;

-- Begins anew.
CREATE FUNCTION emptied() RETURNS void LANGUAGE sql AS $$
  TRUNCATE account, transfer;
  INSERT INTO account SELECT 2 * pair - 1, 0, 0, 0, 1000000000000000 FROM generate_series(1, 64) AS pair;
  INSERT INTO account SELECT 2 * pair, 0, 0, 0, 0 FROM generate_series(1, 64) AS pair;
$$;

-- Reserves so many times 450 from a grant, each judged against what is left; gives the first id. The accounts are written once a batch.
CREATE FUNCTION reserve(grant_id int, pairs int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  free bigint;
  first bigint;
BEGIN
  SELECT credits_posted - debits_posted - debits_pending INTO free FROM account WHERE id = grant_id FOR UPDATE;
  FOR pair IN 1..pairs LOOP
    free := free - 450;
    IF free < 0 THEN
      RAISE 'the grant is spent';
    END IF;
  END LOOP;
  first := nextval('ids') << 20;
  INSERT INTO transfer SELECT first + pair, NULL, grant_id, grant_id + 1, 450 FROM generate_series(0, pairs - 1) AS pair;
  UPDATE account SET debits_pending = debits_pending + 450 * pairs::bigint WHERE id = grant_id;
  UPDATE account SET credits_pending = credits_pending + 450 * pairs::bigint WHERE id = grant_id + 1;
  RETURN first;
END $$;

-- Settles so many reservations from `first` on, each with 100 of what it reserved.
CREATE FUNCTION settle(grant_id int, first bigint, pairs int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  own bigint;
  settled bigint;
BEGIN
  PERFORM FROM account WHERE id = grant_id FOR UPDATE;
  own := nextval('ids') << 20;
  INSERT INTO transfer
    SELECT own + id - first, id, debit, credit, 100 FROM transfer
    WHERE id BETWEEN first AND first + pairs - 1 AND pending IS NULL AND amount >= 100;
  GET DIAGNOSTICS settled = ROW_COUNT;
  IF settled <> pairs THEN
    RAISE 'a reservation is not there';
  END IF;
  UPDATE account SET debits_pending = debits_pending - 450 * pairs::bigint, debits_posted = debits_posted + 100 * pairs::bigint
    WHERE id = grant_id;
  UPDATE account SET credits_pending = credits_pending - 450 * pairs::bigint, credits_posted = credits_posted + 100 * pairs::bigint
    WHERE id = grant_id + 1;
END $$;
