
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
    version bigint,
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
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_seen pg_snapshot := coalesce(p_seen, '1:1:')::pg_snapshot;
    v_xip xid8[] := array(select pg_snapshot_xip(v_seen));
    v_base bigint;
    v_answers bigint[];
    v_row record;
begin
    -- A look without the lock, so that nodes with nothing to do hold up nobody.
    select pg_current_snapshot()::text as now,
           exists (select from sse.outbox o where o.tx >= pg_snapshot_xmax(v_seen))
           or exists (select from sse.outbox o where o.tx = any (v_xip)) as some
    into v_row;
    if not v_row.some then
        return query select v_row.now, 0, false, 0::bigint;
        return;
    end if;
    perform sse.lock();
    with old as (
        delete from sse.outbox o where o.ctid = any (
            array(select x.ctid from sse.outbox x where x.tx >= pg_snapshot_xmax(v_seen)
                  order by x.tx, x.id limit p_limit)
            || array(select x.ctid from sse.outbox x where x.tx = any (v_xip) limit p_limit))
        returning o.*
    )
    select pg_current_snapshot()::text as now, count(*)::int as n, coalesce(bool_or(old.kind = 5), false) as queued,
           array_agg(old.topic order by old.id) as topics, array_agg(old.slot order by old.id) as slots,
           array_agg(old.events order by old.id) as events, array_agg(old.bytes order by old.id) as bytes,
           array_agg(old.age order by old.id) as ages, array_agg(old.kind order by old.id) as kinds,
           array_agg(old.body order by old.id) as bodies, array_agg(old.once order by old.id) as onces,
           array_agg(old.holder order by old.id) as holders, array_agg(old.name order by old.id) as names,
           array_agg(old.version order by old.id) as versions, array_agg(old.event_id order by old.id) as ids,
           array_agg(old.head order by old.id) as heads
    into v_row from old;
    if v_row.n = 0 then
        return query select v_row.now, 0, false, 0::bigint;
        return;
    end if;
    perform sse.epoch();
    v_base := greatest(sse.last() + 1, sse.clock());
    v_answers := sse.put(v_base, v_row.topics, v_row.slots, v_row.events, v_row.bytes, v_row.ages, v_row.kinds, v_row.bodies, v_row.onces, v_row.holders,
                         v_row.names, v_row.versions, v_row.ids, v_row.heads);
    insert into sse.batch (pos, answers) values (v_base + v_row.n - 1, '{}');
    return query select case when v_row.n < p_limit then v_row.now else p_seen end, v_row.n, v_row.queued, v_base + v_row.n - 1;
end $$;
