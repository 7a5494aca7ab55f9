
-- What is stored in a transaction of the application: plain inserts, without a lock, an order or a bell. `tx` finds them
-- again, whatever commits late. Identity and not serial, so that whoever inserts needs no right on a sequence.
create table if not exists sse.outbox (
    tx xid8 not null default pg_current_xact_id(),
    id bigint generated always as identity,
    topic bytea,
    slot int not null default 0,
    events int not null default 0,
    bytes bigint not null default 0,
    age bigint not null default 0,
    kind smallint not null,
    body bytea,
    once bytea,
    holder bigint,
    name text,
    version int,
    event_id uuid,
    head bytea,
    primary key (tx, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Which listener's effect of which event is in this database already.
create table if not exists sse.inbox (
    listener text not null,
    event_id uuid not null,
    at timestamptz not null default now(),
    primary key (listener, event_id)
);
create index if not exists inbox_at on sse.inbox (at);

-- Moves what was committed into the log. `p_seen` is the snapshot of the last time: what is visible now and was not
-- then began after it or was running in it, so nothing else is looked at, and nothing waits for a transaction that
-- stays open. The snapshot to come with next time, how many were moved, and whether events for listeners were among them.
create or replace function sse.move(p_seen text, p_limit int)
returns table (seen text, moved int, queued boolean, last bigint) language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off as $$
declare
    v_seen pg_snapshot := coalesce(p_seen, '1:1:')::pg_snapshot;
    v_xip xid8[] := array(select pg_snapshot_xip(v_seen));
    v_base bigint;
    v_answers bigint[];
    r record;
begin
    -- A look without the lock, so that nodes with nothing to do hold up nobody.
    select pg_current_snapshot()::text as now,
           exists (select from sse.outbox o where o.tx >= pg_snapshot_xmax(v_seen))
           or exists (select from sse.outbox o where o.tx = any (v_xip)) as some
    into r;
    if not r.some then
        return query select r.now, 0, false, 0::bigint;
        return;
    end if;
    perform sse.lock();
    with rows as (
        delete from sse.outbox o where o.ctid = any (
            array(select x.ctid from sse.outbox x where x.tx >= pg_snapshot_xmax(v_seen)
                  order by x.tx, x.id limit p_limit)
            || array(select x.ctid from sse.outbox x where x.tx = any (v_xip) limit p_limit))
        returning o.*
    )
    select pg_current_snapshot()::text as now, count(*)::int as n, coalesce(bool_or(rows.kind = 5), false) as queued,
           array_agg(rows.topic order by rows.id) as topics, array_agg(rows.slot order by rows.id) as slots,
           array_agg(rows.events order by rows.id) as events, array_agg(rows.bytes order by rows.id) as bytes,
           array_agg(rows.age order by rows.id) as ages, array_agg(rows.kind order by rows.id) as kinds,
           array_agg(rows.body order by rows.id) as bodies, array_agg(rows.once order by rows.id) as onces,
           array_agg(rows.holder order by rows.id) as holders, array_agg(rows.name order by rows.id) as names,
           array_agg(rows.version order by rows.id) as versions, array_agg(rows.event_id order by rows.id) as ids,
           array_agg(rows.head order by rows.id) as heads
    into r from rows;
    if r.n = 0 then
        return query select r.now, 0, false, 0::bigint;
        return;
    end if;
    perform sse.epoch();
    v_base := greatest(sse.last() + 1, sse.clock());
    v_answers := sse.put(v_base, r.topics, r.slots, r.events, r.bytes, r.ages, r.kinds, r.bodies, r.onces, r.holders,
                         r.names, r.versions, r.ids, r.heads);
    insert into sse.batch (pos, answers) values (v_base + r.n - 1, '{}');
    return query select case when r.n < p_limit then r.now else p_seen end, r.n, r.queued, v_base + r.n - 1;
end $$;
