
-- Events for listeners that survive the process: one ordered log, for each listener and kind a cursor there (its lane),
-- and a row only for what runs or waits for another attempt. Rows are inserted and deleted; none is a counter, so a
-- transaction of somebody else that stays open does not make this slow.

create table if not exists sse.kind (
    id int generated always as identity primary key,
    name text not null,
    version bigint not null,
    unique (name, version)
);

create table if not exists sse.bus (
    pos bigint primary key,
    kind int not null,
    event_id uuid not null,
    head bytea not null,
    body bytea not null
);
alter table sse.bus alter column body set storage external;
create index if not exists bus_kind on sse.bus (kind, pos);

create table if not exists sse.listener (
    id text primary key,
    seen_at timestamptz not null default now(),
    paused boolean not null default false,
    retired_at timestamptz
);

create table if not exists sse.hears (
    listener text not null,
    name text not null,
    since bigint not null,
    primary key (listener, name)
);

-- Append-only: the newest row is the cursor.
create table if not exists sse.lane (
    listener text not null,
    kind int not null,
    pos bigint not null,
    primary key (listener, kind, pos)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Running: owner set, due null. Waiting: the reverse. The event itself only for a dead letter that was revived.
create table if not exists sse.held (
    pos bigint not null,
    listener text not null,
    kind int not null,
    owner uuid,
    -- When it was taken last.
    taken timestamptz,
    failures int not null default 0,
    losses int not null default 0,
    due timestamptz,
    errors text[] not null default '{}',
    event_id uuid,
    head bytea,
    body bytea,
    primary key (pos, listener)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
-- By an expression, so that the planner takes these two where they are named and nowhere else, and nothing else there. It plans
-- while the table is empty, and then one index looks as good as another: yet whatever comes by `pos` must not walk the dead entries
-- of its listener, and whatever comes by the listener not those of the key. For the same reason what is looked up by the key is
-- looked up for one position after the other, in a lateral that is not merged.
create index if not exists held_due on sse.held ((listener || ''), due) where due is not null;
create index if not exists held_running on sse.held ((listener || ''), taken) where owner is not null;

create table if not exists sse.dead (
    id bigint generated always as identity primary key,
    listener text not null,
    pos bigint not null,
    kind int not null,
    event_id uuid not null,
    head bytea not null,
    body bytea not null,
    failures int not null,
    losses int not null,
    errors text[] not null,
    -- 0 attempts, 1 given up, 2 expired
    reason smallint not null,
    at timestamptz not null default clock_timestamp()
);
create index if not exists dead_listener on sse.dead (listener, id);

create table if not exists sse.node (
    id uuid primary key,
    until timestamptz not null
) with (fillfactor = 50);

-- Nodes that were reaped or left: never seen again under this id.
create table if not exists sse.gone (
    id uuid primary key,
    at timestamptz not null default now()
);

create or replace function sse.kind_id(p_name text, p_version bigint) returns int language plpgsql volatile as $$
declare
    v_id int;
begin
    select k.id into v_id from sse.kind k where k.name = p_name and k.version = p_version;
    if not found then
        insert into sse.kind (name, version) values (p_name, p_version) returning id into v_id;
    end if;
    return v_id;
end $$;

create or replace function sse.enqueue(p_pos bigint, p_name text, p_version bigint, p_id uuid, p_head bytea, p_body bytea)
returns void language plpgsql volatile as $$
begin
    insert into sse.bus (pos, kind, event_id, head, body)
    values (p_pos, sse.kind_id(p_name, p_version), p_id, p_head, p_body);
end $$;

-- Where a listener stands in a kind.
create or replace function sse.cursor(p_listener text, p_kind int, p_since bigint) returns bigint language plpgsql stable as $$
begin
    return greatest(p_since, (select l.pos from sse.lane l where l.listener = p_listener and l.kind = p_kind
                              order by l.pos desc limit 1));
end $$;

create or replace function sse.register(p_listeners text[], p_earliest boolean[], p_of int[], p_names text[])
returns void language plpgsql volatile set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
begin
    perform sse.lock();
    insert into sse.listener (id) select distinct u.id from unnest(p_listeners) u (id)
    on conflict (id) do update set seen_at = now(), retired_at = null;
    insert into sse.hears (listener, name, since)
    select distinct on (p_listeners[u.of], u.name) p_listeners[u.of], u.name,
           case when p_earliest[u.of] then 0 else sse.last() end
    from unnest(p_of, p_names) u (of, name)
    on conflict (listener, name) do nothing;
end $$;

-- Takes what is due, and then what is new. SSE01: the node's lease is over. Planned once: a plan for each call took most of
-- its time, and every statement goes by a key anyway.
--
-- A last row for each listener has no position: in how many microseconds something is due, and a floor. Nothing waits there, and nothing
-- runs, that was due or taken before the floor. Whoever hands it over next time does not walk what is done and cannot be cleared
-- away. Whoever takes something does so under a lock, at a later time than all before; what is given back is due when the transaction
-- that gives it back began, so the floor is five seconds below what was seen. Without a floor everything is looked at. A floor
-- of the last second stays, and none is given.
create or replace function sse.claim(
    p_node uuid, p_listeners text[], p_counts int[], p_ordered boolean[],
    p_of int[], p_names text[], p_versions bigint[], p_floors timestamptz[] default null)
returns table (listener text, pos bigint, name text, version bigint, event_id uuid, head bytea, body bytea,
               failures int, losses int, next bigint, floor timestamptz)
language plpgsql volatile set lock_timeout = '2s' set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_claim record;
    v_kinds int[];
    v_due bigint[];
    v_new bigint[];
    v_waits int;
    v_now timestamptz;
begin
    -- Whoever reaps this node waits for the end of this, and then takes what it took.
    perform from sse.node n where n.id = p_node and n.until > clock_timestamp() for key share;
    if not found then
        raise exception 'the lease is over' using errcode = 'SSE01';
    end if;
    -- One claimer for a listener at a time. A statement of its own: the next ones then see what the last claimer did.
    perform pg_advisory_xact_lock('sse.held'::regclass::oid::int, x.key)
    from (select distinct hashtext(u.id) as key from unnest(p_listeners) u (id) order by 1) x;
    v_now := clock_timestamp();

    for v_claim in
        select u.id, u.count, u.ordered, coalesce(u.floor, '-infinity') as floor, u.ord::int as nth
        from unnest(p_listeners, p_counts, p_ordered, p_floors) with ordinality u (id, count, ordered, floor, ord)
        join sse.listener l on l.id = u.id and not l.paused and l.retired_at is null
        order by u.ord
    loop
        v_kinds := array(
            select distinct k.id from unnest(p_of, p_names, p_versions) u (of, name, version)
            join sse.kind k on k.name = u.name and k.version = u.version
            where u.of = v_claim.nth);
        v_waits := 0;
        if v_claim.ordered then
            continue when exists (
                select from sse.held h
                where h.listener || '' = v_claim.id and h.owner is not null and h.taken >= v_claim.floor
                  and h.owner <> p_node);
            -- In their order, as far as each is due.
            select array_agg(w.pos order by w.pos) filter (where w.ready), count(*) filter (where not w.ready)
            into v_due, v_waits
            from (
                select h.pos, h.losses, bool_and(h.due <= v_now and h.kind = any (v_kinds))
                                        over (order by h.pos) as ready
                from (
                    select h.* from sse.held h
                    where h.listener || '' = v_claim.id and h.due is not null and h.due >= v_claim.floor offset 0
                ) h
                order by h.pos limit v_claim.count + 1
            ) w;
            if cardinality(v_due) > v_claim.count then
                v_due := v_due[1:v_claim.count];
                v_waits := 1;
            end if;
        else
            select array_agg(w.pos order by w.due, w.pos) into v_due
            from (
                select h.pos, h.due from sse.held h
                where h.listener || '' = v_claim.id and h.due is not null and h.due >= v_claim.floor
                  and h.due <= v_now and h.kind = any (v_kinds)
                order by h.due, h.pos limit v_claim.count for update skip locked
            ) w;
        end if;
        -- What was lost with its process may have been the cause: alone, so that it takes nothing else along.
        if v_due is not null then
            select case when bool_or(w.losses > 0 and w.nth = 1) then array[min(w.pos) filter (where w.nth = 1)]
                        else array_agg(w.pos order by w.nth) filter (where w.nth < w.lost) end,
                   v_waits + count(*) filter (where w.losses > 0)
            into v_due, v_waits
            from (
                select x.*, coalesce(min(x.nth) filter (where x.losses > 0) over (), x.nth + 1) as lost
                from (
                    select u.pos, u.nth, h.losses
                    from unnest(v_due) with ordinality u (pos, nth)
                    cross join lateral (
                        select h.losses from sse.held h where h.pos = u.pos and h.listener = v_claim.id offset 0) h
                ) x
            ) w;
            update sse.held h set owner = p_node, taken = v_now, due = null
            where h.pos = any (v_due) and h.listener = v_claim.id;
        end if;

        v_new := null;
        if v_waits = 0 and coalesce(cardinality(v_due), 0) < v_claim.count then
            -- A lateral for each kind: asking for all kinds at once would sort the whole backlog.
            with fresh as materialized (
                select b.pos, b.kind
                from sse.kind k
                join sse.hears s on s.listener = v_claim.id and s.name = k.name
                cross join lateral (select sse.cursor(v_claim.id, k.id, s.since) as pos) l
                cross join lateral (
                    select b.pos, b.kind from sse.bus b where b.kind = k.id and b.pos > l.pos
                    order by b.pos limit v_claim.count - coalesce(cardinality(v_due), 0)
                ) b
                where k.id = any (v_kinds)
                order by b.pos limit v_claim.count - coalesce(cardinality(v_due), 0)
            ), taken as (
                insert into sse.held (pos, listener, kind, owner, taken)
                select f.pos, v_claim.id, f.kind, p_node, v_now from fresh f
            ), moved as (
                insert into sse.lane (listener, kind, pos)
                select v_claim.id, f.kind, max(f.pos) from fresh f group by f.kind
            )
            select array_agg(f.pos order by f.pos) into v_new from fresh f;
        end if;

        return query
        select h.listener, h.pos, k.name, k.version, coalesce(h.event_id, b.event_id), coalesce(h.head, b.head),
               coalesce(h.body, b.body), h.failures, h.losses, null::bigint, null::timestamptz
        from unnest(v_due || v_new) with ordinality u (pos, nth)
        cross join lateral (
            select h.* from sse.held h where h.pos = u.pos and h.listener = v_claim.id offset 0) h
        cross join lateral (select k.name, k.version from sse.kind k where k.id = h.kind offset 0) k
        left join lateral (select b.event_id, b.head, b.body from sse.bus b where b.pos = h.pos offset 0) b on true
        order by u.nth;
    end loop;

    return query
    select l.id, null::bigint, null::text, null::bigint, null::uuid, null::bytea, null::bytea, null::int, null::int,
           case when h.next is not null
                then greatest(0, (extract(epoch from h.next - clock_timestamp()) * 1000000)::bigint) end,
           case when r.renews then least(v_now, h.first) - interval '5 seconds' end
    from unnest(p_listeners, p_ordered, p_floors) with ordinality u (id, ordered, floor, ord)
    join sse.listener l on l.id = u.id and not l.paused and l.retired_at is null
    cross join lateral (
        select coalesce(u.floor, '-infinity') as floor,
               u.floor is null or u.floor < v_now - interval '6 seconds' as renews,
               array(select k.id from unnest(p_of, p_names, p_versions) x (of, name, version)
                     join sse.kind k on k.name = x.name and k.version = x.version where x.of = u.ord) as kinds
    ) r
    cross join lateral (
        select min(x.next) as next, min(x.first) as first from (
            (select h.due as next, null::timestamptz as first from sse.held h
             where not u.ordered and h.listener || '' = l.id and h.due is not null and h.due >= r.floor
               and h.kind = any (r.kinds)
             order by h.due limit 1)
            union all
            (select null, h.due from sse.held h
             where r.renews and not u.ordered and h.listener || '' = l.id and h.due is not null and h.due >= r.floor
             order by h.due limit 1)
            union all
            -- The first of the log comes before all others, whenever those are due.
            (select case when w.kind = any (r.kinds) then w.due end, w.first from (
                select h.due, h.kind, min(h.due) over () as first from (
                    select h.* from sse.held h
                    where u.ordered and h.listener || '' = l.id and h.due is not null and h.due >= r.floor offset 0
                ) h
                order by h.pos limit 1
             ) w)
            union all
            (select null, h.taken from sse.held h
             where r.renews and u.ordered and h.listener || '' = l.id and h.owner is not null and h.taken >= r.floor
             order by h.taken limit 1)
        ) x
    ) h;
end $$;

-- Verdicts: 0 finished, 1 failed, 2 dead, 3 released. True where the fence fitted.
create or replace function sse.settle(
    p_listeners text[], p_pos bigint[], p_owners uuid[], p_failures int[], p_losses int[],
    p_what smallint[], p_errors text[], p_again bigint[], p_reasons smallint[])
returns boolean[] language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_answers boolean[];
begin
    -- The commit waits for the disk: a verdict that a crash undid would leave a row to an owner that lives and has
    -- forgotten it.
    with v as materialized (
        select distinct on (u.listener, u.pos, u.owner, u.failures, u.losses) u.*
        from unnest(p_listeners, p_pos, p_owners, p_failures, p_losses, p_what, p_errors, p_again, p_reasons)
            with ordinality u (listener, pos, owner, failures, losses, what, error, again, reason, ord)
        order by u.listener, u.pos, u.owner, u.failures, u.losses, u.ord
    ), hit as materialized (
        select v.*, h.ctid as at
        from v cross join lateral (
            select h.ctid from sse.held h where h.pos = v.pos and h.listener = v.listener offset 0) h
    -- The fence here, where whatever changed meanwhile is looked at once more; its owner in words that lead to no index.
    ), done as (
        delete from sse.held h using hit v
        where h.ctid = v.at and h.owner is not distinct from v.owner
          and h.failures = v.failures and h.losses = v.losses and v.what in (0, 2)
        returning h.*, v.ord, v.what, v.error, v.reason
    ), again as (
        update sse.held h
        set owner = null, due = now() + v.again * interval '1 microsecond',
            failures = h.failures + (v.what = 1)::int,
            errors = case when v.what = 1 then (h.errors || v.error)[cardinality(h.errors) - 3:] else h.errors end
        from hit v
        where h.ctid = v.at and h.owner is not distinct from v.owner
          and h.failures = v.failures and h.losses = v.losses and v.what in (1, 3)
        returning v.ord
    ), buried as (
        insert into sse.dead (listener, pos, kind, event_id, head, body, failures, losses, errors, reason)
        select d.listener, d.pos, d.kind, coalesce(d.event_id, b.event_id), coalesce(d.head, b.head),
               coalesce(d.body, b.body), d.failures, d.losses,
               (d.errors || d.error)[cardinality(d.errors) - 3:], d.reason
        from done d left join sse.bus b on b.pos = d.pos
        where d.what = 2
    )
    select array_agg(hit.ord is not null order by u.ord) into v_answers
    from generate_series(1, cardinality(p_pos)) u (ord)
    left join (select done.ord from done union all select again.ord from again) hit on hit.ord = u.ord;
    return v_answers;
end $$;

-- Holds a lease. False: it was taken away.
create or replace function sse.beat(p_node uuid, p_lease bigint) returns boolean language plpgsql volatile
set lock_timeout = '2s' as $$
begin
    insert into sse.node (id, until)
    select p_node, clock_timestamp() + p_lease * interval '1 microsecond'
    where not exists (select from sse.gone g where g.id = p_node)
    on conflict (id) do update set until = excluded.until;
    -- Somebody may have reaped it while this waited.
    if exists (select from sse.gone g where g.id = p_node) then
        delete from sse.node n where n.id = p_node;
        return false;
    end if;
    return true;
end $$;

-- Takes away what is held by nodes that are over. The rows are sought in a statement after the one that waited for the
-- claims of those nodes.
create or replace function sse.reap(p_again bigint) returns int language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_lost int;
begin
    with over as (
        delete from sse.node n where n.id = any (array(
            select x.id from sse.node x where x.until < clock_timestamp() order by x.id))
          and n.until < clock_timestamp()
        returning n.id
    )
    insert into sse.gone (id) select over.id from over on conflict (id) do nothing;
    if not found then
        return 0;
    end if;
    update sse.held h
    set owner = null, losses = h.losses + 1, due = now() + p_again * interval '1 microsecond'
    where h.owner is not null and h.listener || '' = any (array(select l.id from sse.listener l))
      and not exists (select from sse.node n where n.id = h.owner);
    get diagnostics v_lost = row_count;
    return v_lost;
end $$;

create or replace function sse.leave(p_node uuid) returns void language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
begin
    delete from sse.node n where n.id = p_node;
    insert into sse.gone (id) values (p_node) on conflict (id) do nothing;
    update sse.held h set owner = null, due = now()
    where h.owner = p_node and h.owner is not null
      and h.listener || '' = any (array(select l.id from sse.listener l));
end $$;

-- Dead letters come back with their event, whether the log still has it or not.
create or replace function sse.revive(p_listener text, p_id bigint, p_limit int) returns int language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_done int;
begin
    with back as (
        delete from sse.dead d where d.id = any (array(
            select x.id from sse.dead x
            where x.listener = p_listener and (p_id is null or x.id = p_id)
            order by x.id limit p_limit))
        returning d.*
    )
    insert into sse.held (pos, listener, kind, due, event_id, head, body)
    select b.pos, b.listener, b.kind, now(), b.event_id, b.head, b.body from back b
    on conflict (pos, listener) do nothing;
    get diagnostics v_done = row_count;
    return v_done;
end $$;

-- A retired listener stays so until it is registered again: nothing but retiring it once more is true of it.
create or replace function sse.steer(p_listener text, p_how smallint) returns boolean language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_retired boolean;
begin
    select l.retired_at is not null into v_retired from sse.listener l where l.id = p_listener for update;
    if not found or v_retired then
        return coalesce(v_retired and p_how = 2, false);
    end if;
    if p_how < 2 then
        update sse.listener l set paused = p_how = 0 where l.id = p_listener;
    else
        perform sse.retire(p_listener);
    end if;
    return true;
end $$;

-- Whoever claims for it at this moment goes first.
create or replace function sse.retire(p_listener text) returns void language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock('sse.held'::regclass::oid::int, hashtext(p_listener));
    update sse.listener l set retired_at = now(), paused = false where l.id = p_listener;
    delete from sse.hears s where s.listener = p_listener;
    delete from sse.lane l where l.listener = p_listener;
    delete from sse.held h where h.listener = p_listener;
end $$;

create or replace function sse.stats()
returns table (listener text, state smallint, hears text[], backlog bigint, waiting bigint, running bigint, dead bigint,
               oldest bigint)
language plpgsql stable set enable_seqscan = off set jit = off as $$
begin
    return query
    select l.id, (case when l.retired_at is not null then 2 when l.paused then 1 else 0 end)::smallint,
           array(select s.name from sse.hears s where s.listener = l.id order by s.name),
           coalesce(b.count, 0)::bigint, h.waiting, h.running,
           (select count(*) from sse.dead d where d.listener = l.id),
           sse.clock() - least(b.first, h.first)
    from sse.listener l
    left join lateral (
        select least(coalesce(sum(x.count), 0), 10000) as count, min(x.first) as first
        from sse.hears s
        join sse.kind k on k.name = s.name
        cross join lateral (
            select count(*) as count, min(y.pos) as first
            from (select b.pos from sse.bus b
                  where b.kind = k.id and b.pos > sse.cursor(l.id, k.id, s.since)
                  order by b.pos limit 10000) y
        ) x
        where s.listener = l.id
    ) b on true
    left join lateral (
        select count(*) filter (where h.owner is null) as waiting,
               count(*) filter (where h.owner is not null) as running, min(h.pos) as first
        from sse.held h
        where h.listener = l.id
    ) h on true
    order by l.id;
end $$;

-- Retention of the queue, in the background, by one process at a time. How much was done.
create or replace function sse.prune(p_limit int) returns int language plpgsql volatile
set enable_seqscan = off set jit = off as $$
declare
    v_now bigint := sse.clock();
    v_horizon bigint := v_now - 3600000000;
    v_hard bigint := v_now - 14 * 86400000000;
    v_done int := 0;
    v_rows int;
    v_id text;
    v_kind record;
begin
    if not pg_try_advisory_xact_lock('sse.batch'::regclass::oid::int, 2) then
        return 0;
    end if;
    for v_id in
        select l.id from sse.listener l where l.retired_at is null and l.seen_at < now() - interval '14 days'
    loop
        perform sse.retire(v_id);
    end loop;

    -- What falls off before its listener took it is a dead letter.
    with late as (
        select s.listener, b.pos, b.kind
        from sse.kind x
        join sse.hears s on s.name = x.name
        cross join lateral (
            select b.pos, b.kind from sse.bus b
            where b.kind = x.id and b.pos > sse.cursor(s.listener, x.id, s.since) and b.pos < v_hard
            order by b.pos limit p_limit
        ) b
    ), moved as (
        insert into sse.lane (listener, kind, pos)
        select late.listener, late.kind, max(late.pos) from late group by late.listener, late.kind
        on conflict do nothing
    )
    insert into sse.dead (listener, pos, kind, event_id, head, body, failures, losses, errors, reason)
    select late.listener, late.pos, late.kind, b.event_id, b.head, b.body, 0, 0, '{}', 2
    from late join sse.bus b on b.pos = late.pos;
    get diagnostics v_rows = row_count;
    v_done := v_done + v_rows;

    with old as (
        delete from sse.held h
        where h.ctid = any (array(
            select x.ctid from sse.held x where x.pos < v_hard and x.due is not null and x.event_id is null
            order by x.pos limit p_limit for update skip locked))
        returning h.*
    )
    insert into sse.dead (listener, pos, kind, event_id, head, body, failures, losses, errors, reason)
    select o.listener, o.pos, o.kind, b.event_id, b.head, b.body, o.failures, o.losses, o.errors, 2
    from old o join sse.bus b on b.pos = o.pos;
    get diagnostics v_rows = row_count;
    v_done := v_done + v_rows;

    for v_kind in
        select x.id, (select min(sse.cursor(s.listener, x.id, s.since)) from sse.hears s where s.name = x.name) as floor
        from sse.kind x
    loop
        delete from sse.bus b where b.pos = any (array(
            select x.pos from sse.bus x
            where x.kind = v_kind.id and x.pos <= least(v_kind.floor, v_horizon)
              and not exists (select from sse.held h where h.pos = x.pos and h.event_id is null)
            order by x.pos limit p_limit));
        get diagnostics v_rows = row_count;
        v_done := v_done + v_rows;
    end loop;

    -- Cursors that were passed.
    delete from sse.lane l where l.ctid = any (array(
        select x.ctid from sse.lane x
        where x.pos < (select y.pos from sse.lane y where y.listener = x.listener and y.kind = x.kind
                       order by y.pos desc limit 1)
        limit p_limit));
    get diagnostics v_rows = row_count;
    v_done := v_done + v_rows;
    delete from sse.dead d where d.id = any (array(
        select x.id from sse.dead x where x.at < now() - interval '30 days' order by x.id limit p_limit));
    delete from sse.gone g where g.at < now() - interval '1 day';
    delete from sse.inbox i where i.ctid = any (array(
        select x.ctid from sse.inbox x
        where x.at < now() - interval '1 day'
          and not exists (select from sse.dead d where d.listener = x.listener and d.event_id = x.event_id)
          and not exists (select from sse.held h left join sse.bus b on b.pos = h.pos
                          where h.listener = x.listener and coalesce(h.event_id, b.event_id) = x.event_id)
        order by x.at limit p_limit));
    get diagnostics v_rows = row_count;
    return v_done + v_rows;
end $$;
