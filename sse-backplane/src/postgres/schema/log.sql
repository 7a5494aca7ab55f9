-- Version 1 of what sse-tower's backplane keeps in PostgreSQL (13 or newer).
--
-- For those who do migrations by hand: run this once as the owner; the program's role then needs
--   grant usage on schema sse to app;
--   grant select, insert, update, delete on all tables in schema sse to app;
-- and a role that only stores in transactions of its own needs
--   grant usage on schema sse to shop;
--   grant insert on sse.outbox, sse.inbox to shop;
--   grant select on sse.inbox to shop;
-- Everything is named with its schema, and nothing depends on search_path.
--
-- One order: positions are given under one advisory lock, which is held to the commit. So what a snapshot sees is
-- a prefix of the log, and a cursor over positions passes nothing over. The lock is always taken in a statement
-- of its own: in the statement that reads, the snapshot would be older than the lock.

create schema if not exists sse;

-- The store's life, and what background work remembers.
create table if not exists sse.meta (
    one boolean primary key default true check (one),
    epoch bigint not null,
    -- Which server's past this is: a dump elsewhere changes the first, a promotion or a restore to a point in time the second.
    system bigint not null,
    timeline text not null,
    -- Topics that were deleted had nothing after this.
    forgotten bigint not null default 0,
    -- The log was looked through for retention up to here.
    trimmed bigint not null default 0
);

-- One row for each transaction that gave positions: the newest is where the store stands. Answers: the position
-- where stored, 0 if the topic was complete, the negative position of the first if repeated.
create table if not exists sse.batch (
    pos bigint primary key,
    node uuid,
    number bigint not null default 0,
    answers bigint[] not null
);
create index if not exists batch_node on sse.batch (node, number) where node is not null;

-- What is known of a topic besides its events. Not touched by events: a row that each of them updated would be slow
-- as soon as any transaction of the database stays open.
create table if not exists sse.topic (
    id bigint generated always as identity primary key,
    name bytea not null unique,
    slot int not null,
    events int not null,
    bytes bigint not null,
    age bigint not null,
    last bigint not null default 0,
    newest bigint not null default 0,
    completed bigint,
    disconnected bigint not null default 0,
    claimed bigint,
    holder bigint,
    due bigint
) with (fillfactor = 80);
create index if not exists topic_due on sse.topic (due);

-- Kinds: 0 event, 1 complete, 2 forget, 3 disconnect, 4 claim. All but events are here for the feed alone.
create table if not exists sse.log (
    pos bigint primary key,
    topic bigint not null,
    prev bigint not null,
    kind smallint not null,
    body bytea,
    once bytea,
    holder bigint
) with (autovacuum_vacuum_scale_factor = 0.05);
alter table sse.log alter column body set storage external;
create index if not exists log_events on sse.log (topic, pos) where kind = 0;
create index if not exists log_others on sse.log (pos) where kind <> 0;

-- Keys under which events are stored once. `gone`: when the event left the log.
create table if not exists sse.once (
    topic bigint not null,
    key bytea not null,
    pos bigint not null,
    gone timestamptz,
    primary key (topic, key)
);
create index if not exists once_gone on sse.once (gone) where gone is not null;

create or replace function sse.version() returns int language sql immutable as 'select 1';

create or replace function sse.clock() returns bigint language sql volatile as
$$ select (extract(epoch from clock_timestamp()) * 1000000)::bigint $$;

-- Where the store stands. Not in SQL alone: that would be planned anew with each call.
create or replace function sse.last() returns bigint language plpgsql stable as $$
begin
    return coalesce((select b.pos from sse.batch b order by b.pos desc limit 1), 0);
end $$;

-- The one lock under which positions are given.
create or replace function sse.lock() returns void language sql volatile as
$$ select pg_advisory_xact_lock('sse.batch'::regclass::oid::int, 0) $$;

-- The epoch, made if it is missing. Under the lock.
create or replace function sse.epoch() returns bigint language plpgsql volatile as $$
declare
    v_epoch bigint;
begin
    select m.epoch into v_epoch from sse.meta m where m.one;
    if not found then
        insert into sse.meta (epoch, system, timeline)
        select 1 + floor(random() * 281474976710654)::bigint, s.system_identifier,
               left(pg_walfile_name(pg_current_wal_lsn()), 8)
        from pg_control_system() s
        returning epoch into v_epoch;
    end if;
    return v_epoch;
end $$;

-- What every new connection asks. A process that knows of a position which is not here, in the epoch that is here, has
-- found that the store lost its past; so has one that finds another server. Both begin a new epoch.
create or replace function sse.hello(p_epoch bigint, p_known bigint)
returns table (epoch bigint, last bigint) language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_epoch bigint;
    v_last bigint;
begin
    perform sse.lock();
    v_epoch := sse.epoch();
    v_last := sse.last();
    update sse.meta m
    set epoch = 1 + floor(random() * 281474976710654)::bigint, system = s.system_identifier,
        timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)
    from pg_control_system() s
    where (m.system, m.timeline) is distinct from
          (s.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8))
       or v_epoch = p_epoch and p_known > 0
          and not exists (select from sse.batch b where b.pos = p_known)
          -- Unless it is only so old that it was cleared away.
          and (p_known > v_last or exists (select from sse.batch b where b.pos < p_known));
    return query select sse.epoch(), v_last;
end $$;

-- Deletes a topic's events up to a position. How many.
create or replace function sse.drop_events(p_topic bigint, p_cut bigint) returns int language plpgsql volatile as $$
declare
    v_done int;
begin
    with old as (
        delete from sse.log l where l.topic = p_topic and l.kind = 0 and l.pos <= p_cut
        returning l.once
    ), noted as (
        update sse.once o set gone = now() from old
        where o.topic = p_topic and o.key = old.once
    )
    select count(*) into v_done from old;
    return v_done;
end $$;

-- Stores entries at base, base + 1, ..; under the lock. Kinds as in the log, and 5 for an event for listeners, 6 for an
-- event with a key. Many plain events that stand together are stored by one statement.
create or replace function sse.put(
    p_base bigint, p_topics bytea[], p_slots int[], p_events int[], p_bytes bigint[], p_ages bigint[],
    p_kinds smallint[], p_bodies bytea[], p_onces bytea[], p_holders bigint[],
    p_names text[], p_versions bigint[], p_ids uuid[], p_heads bytea[])
returns bigint[] language plpgsql volatile as $$
declare
    n int := cardinality(p_kinds);
    i int := 1;
    j int;
    v_answers bigint[] := '{}';
    v_part bigint[];
    v_pos bigint;
    v_prev bigint;
    v_first bigint;
    v_new boolean := false;
    v_topic sse.topic;
begin
    -- Mostly all of them are known and keep what they kept.
    if n > 3 then
        v_new := exists (
            select from unnest(p_topics, p_events, p_bytes, p_ages) u (name, events, bytes, age)
            left join sse.topic t on t.name = u.name
            where u.name is not null
              and (t.id is null or t.events <> u.events or t.bytes <> u.bytes or t.age <> u.age));
    else
        -- For a few of them that statement would cost more than it saves.
        for k in 1 .. n loop
            continue when p_topics[k] is null;
            select * into v_topic from sse.topic x where x.name = p_topics[k];
            v_new := v_new or v_topic.id is null or v_topic.events <> p_events[k] or v_topic.bytes <> p_bytes[k]
                     or v_topic.age <> p_ages[k];
        end loop;
    end if;
    if v_new then
        with wanted as (
            select distinct on (u.name) u.name, u.slot, u.events, u.bytes, u.age
            from unnest(p_topics, p_slots, p_events, p_bytes, p_ages)
                with ordinality u (name, slot, events, bytes, age, ord)
            where u.name is not null
            order by u.name, u.ord desc
        ), kept as (
            update sse.topic t set events = w.events, bytes = w.bytes, age = w.age
            from wanted w
            where t.name = w.name
              and (t.events <> w.events or t.bytes <> w.bytes or t.age <> w.age)
        )
        insert into sse.topic (name, slot, events, bytes, age)
        select w.name, w.slot, w.events, w.bytes, w.age from wanted w
        where not exists (select from sse.topic t where t.name = w.name);
    end if;

    while i <= n loop
        v_pos := p_base + i - 1;
        if p_kinds[i] = 0 then
            -- Mostly all of them are events; to look at one after the other takes as long as half of what is to be done.
            j := case when i = 1 and 0 = all (p_kinds) then n else i end;
            while j < n and p_kinds[j + 1] = 0 loop
                j := j + 1;
            end loop;
        end if;
        -- As above.
        if p_kinds[i] = 0 and j >= i + 3 then
            with e as materialized (
                select v_pos + u.ord - i as pos, t.id, t.completed, t.newest, u.body
                from unnest(p_topics, p_bodies) with ordinality u (name, body, ord)
                join sse.topic t on t.name = u.name
                where u.ord between i and j
            ), stored as (
                insert into sse.log (pos, topic, prev, kind, body)
                select e.pos, e.id,
                       coalesce(lag(e.pos) over (partition by e.id order by e.pos),
                                greatest(e.newest, (select l.pos from sse.log l
                                                    where l.topic = e.id and l.kind = 0
                                                    order by l.pos desc limit 1))),
                       0, e.body
                from e where e.completed is null
            )
            select array_agg(case when e.completed is null then e.pos else 0 end order by e.pos)
            into v_part from e;
            v_answers := v_answers || v_part;
            i := j + 1;
            continue;
        end if;

        i := i + 1;
        if p_kinds[i - 1] = 5 then
            perform sse.enqueue(v_pos, p_names[i - 1], p_versions[i - 1], p_ids[i - 1], p_heads[i - 1], p_bodies[i - 1]);
            v_answers := v_answers || v_pos;
            continue;
        end if;

        if n > 1 or v_new then
            select * into v_topic from sse.topic x where x.name = p_topics[i - 1];
        end if;
        select greatest(v_topic.newest, (select l.pos from sse.log l where l.topic = v_topic.id and l.kind = 0
                                   order by l.pos desc limit 1)) into v_prev;
        if p_kinds[i - 1] = 6 then
            select o.pos into v_first from sse.once o where o.topic = v_topic.id and o.key = p_onces[i - 1];
            if found then
                v_answers := v_answers || -v_first;
                continue;
            end if;
        end if;
        if v_topic.completed is not null and p_kinds[i - 1] in (0, 1, 6) then
            v_answers := v_answers || 0::bigint;
            continue;
        end if;
        case p_kinds[i - 1]
            when 0 then
                null;
            when 6 then
                insert into sse.once (topic, key, pos) values (v_topic.id, p_onces[i - 1], v_pos);
            when 1 then
                update sse.topic x set completed = v_pos, last = v_pos where x.id = v_topic.id;
            when 2 then
                perform sse.drop_events(v_topic.id, v_pos);
                update sse.topic x set completed = null, last = v_pos, newest = v_prev where x.id = v_topic.id;
            when 3 then
                update sse.topic x set disconnected = v_pos, last = v_pos where x.id = v_topic.id;
            when 4 then
                update sse.topic x set claimed = v_pos, holder = p_holders[i - 1], last = v_pos where x.id = v_topic.id;
        end case;
        insert into sse.log (pos, topic, prev, kind, body, once, holder)
        values (v_pos, v_topic.id, v_prev, p_kinds[i - 1] % 6, p_bodies[i - 1], p_onces[i - 1], p_holders[i - 1]);
        v_answers := v_answers || v_pos;
    end loop;
    return v_answers;
end $$;

-- Stores a batch, once for its number. No answers: a newer batch of the node was stored already.
create or replace function sse.append(
    p_node uuid, p_number bigint,
    p_topics bytea[], p_slots int[], p_events int[], p_bytes bigint[], p_ages bigint[],
    p_kinds smallint[], p_bodies bytea[], p_onces bytea[], p_holders bigint[],
    p_names text[], p_versions bigint[], p_ids uuid[], p_heads bytea[])
returns table (answers bigint[], last bigint) language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    v_base bigint;
    v_answers bigint[];
    v_before sse.batch;
begin
    perform sse.lock();
    -- Mostly it is one event, of a topic that is known, keeps what it kept and is not complete, or of a kind that is known: then this is
    -- all. Each statement more, and each expression between them, costs as much as storing the event.
    if cardinality(p_kinds) = 1 and p_kinds[1] in (0, 5) then
        return query
        with e as materialized (
            select greatest(coalesce((select b.pos from sse.batch b order by b.pos desc limit 1), 0) + 1,
                            (extract(epoch from clock_timestamp()) * 1000000)::bigint) as pos,
                   x.id, x.prev
            from (
                select t.id, greatest(t.newest, (select l.pos from sse.log l where l.topic = t.id and l.kind = 0
                                                 order by l.pos desc limit 1)) as prev
                from sse.topic t
                where p_kinds[1] = 0 and t.name = p_topics[1] and t.completed is null
                  and t.events = p_events[1] and t.bytes = p_bytes[1] and t.age = p_ages[1]
                union all
                select k.id, null from sse.kind k
                where p_kinds[1] = 5 and k.name = p_names[1] and k.version = p_versions[1]
            ) x
            where exists (select from sse.meta m where m.one)
              and not exists (select from sse.batch b where b.node = p_node and b.number >= p_number)
        ), stored as (
            insert into sse.log (pos, topic, prev, kind, body)
            select e.pos, e.id, e.prev, 0, p_bodies[1] from e where p_kinds[1] = 0
        ), queued as (
            insert into sse.bus (pos, kind, event_id, head, body)
            select e.pos, e.id::int, p_ids[1], p_heads[1], p_bodies[1] from e where p_kinds[1] = 5
        )
        insert into sse.batch (pos, node, number, answers)
        select e.pos, p_node, p_number, array[e.pos] from e
        returning batch.answers, batch.pos;
        if found then
            return;
        end if;
    end if;
    select * into v_before from sse.batch x where x.node = p_node order by x.number desc limit 1;
    if found and v_before.number >= p_number then
        return query select case when v_before.number = p_number then v_before.answers end, v_before.pos;
        return;
    end if;
    if not exists (select from sse.meta m where m.one) then
        perform sse.epoch();
    end if;
    v_base := greatest(sse.last() + 1, sse.clock());
    v_answers := sse.put(v_base, p_topics, p_slots, p_events, p_bytes, p_ages, p_kinds, p_bodies, p_onces,
                         p_holders, p_names, p_versions, p_ids, p_heads);
    insert into sse.batch (pos, node, number, answers)
    values (v_base + cardinality(p_kinds) - 1, p_node, p_number, v_answers);
    return query select v_answers, v_base + cardinality(p_kinds) - 1;
end $$;

-- The newest part of some topics, all as they stood at one moment.
create or replace function sse.load(p_topics bytea[], p_after bigint[], p_events int[], p_bytes bigint[])
returns table (ord bigint, epoch bigint, forgotten bigint, id bigint, last bigint, newest bigint, completed bigint,
               disconnected bigint, claimed bigint, holder bigint,
               pos bigint, prev bigint, body bytea, once bytea)
language plpgsql stable set enable_seqscan = off set jit = off as $$
begin
    return query
    select w.ord, (select x.epoch from sse.meta x where x.one), (select x.forgotten from sse.meta x where x.one),
           t.id, greatest(t.last, n.newest), n.newest, t.completed, t.disconnected, t.claimed, t.holder,
           r.pos, r.prev, r.body, r.once
    from unnest(p_topics, p_after, p_events, p_bytes) with ordinality w (name, after, events, bytes, ord)
    left join sse.topic t on t.name = w.name
    left join lateral (
        select greatest(t.newest, (select l.pos from sse.log l where l.topic = t.id and l.kind = 0
                                   order by l.pos desc limit 1)) as newest
        where t.id is not null
    ) n on true
    left join lateral (
        select x.*, sum(octet_length(x.body)) over (order by x.pos desc) as size,
               row_number() over (order by x.pos desc) as nth
        from (
            select l.pos, l.prev, l.body, l.once from sse.log l
            where l.topic = t.id and l.kind = 0 and l.pos > w.after
            order by l.pos desc limit w.events
        ) x
    ) r on r.size <= w.bytes or r.nth = 1
    order by w.ord, r.pos;
end $$;

-- Retention, in the background, by one process at a time: topics that had events since the last time are looked at two
-- seconds later, and those whose time has come now. Nothing younger than ten seconds goes, so that every feed has read it.
-- How much was done; as much as the limit if there is more.
create or replace function sse.trim(p_limit int) returns int language plpgsql volatile
set enable_seqscan = off set jit = off as $$
declare
    v_now bigint := sse.clock();
    v_window bigint := v_now - 10000000;
    v_from bigint;
    v_to bigint;
    v_cut bigint;
    v_newest bigint;
    v_oldest bigint;
    v_due bigint;
    v_seen int;
    v_topics int := 0;
    v_done int := 0;
    v_rows int;
    v_topic sse.topic;
begin
    if not pg_try_advisory_xact_lock('sse.batch'::regclass::oid::int, 1) then
        return 0;
    end if;
    select m.trimmed into v_from from sse.meta m where m.one;
    select max(x.pos), count(*) into v_to, v_seen
    from (select l.pos from sse.log l where l.pos > v_from and l.pos <= v_window order by l.pos limit p_limit) x;
    if v_seen > 0 then
        update sse.topic t set due = v_now + 2000000
        where t.id = any (array(select distinct l.topic from sse.log l where l.pos > v_from and l.pos <= v_to))
          and (t.due is null or t.due > v_now + 2000000);
        update sse.meta m set trimmed = v_to where m.one;
    end if;
    for v_topic in
        select x.* from sse.topic x where x.due <= v_now order by x.due limit 500
    loop
        v_topics := v_topics + 1;
        v_cut := greatest(
            v_now - v_topic.age,
            -- A few more than asked for: who reads page by page is not overtaken at once.
            (select l.pos from sse.log l where l.topic = v_topic.id and l.kind = 0
             order by l.pos desc offset v_topic.events + 16 limit 1),
            (select x.pos from (
                select l.pos, sum(octet_length(l.body)) over (order by l.pos desc) as size,
                       octet_length(l.body) as own
                from sse.log l where l.topic = v_topic.id and l.kind = 0
                order by l.pos desc limit v_topic.events::bigint + 17
             ) x where x.size - x.own >= v_topic.bytes order by x.pos desc limit 1));
        v_cut := least(v_cut, v_window);
        select l.pos into v_newest from sse.log l
        where l.topic = v_topic.id and l.kind = 0 order by l.pos desc limit 1;
        v_done := v_done + sse.drop_events(v_topic.id, v_cut);
        select l.pos into v_oldest from sse.log l
        where l.topic = v_topic.id and l.kind = 0 order by l.pos limit 1;
        v_due := case when v_oldest is not null then v_oldest + v_topic.age + 1000000
                      else greatest(v_topic.last, v_topic.newest, v_newest) + 2 * greatest(v_topic.age, 600000000) end;
        update sse.topic x
        set newest = case when v_newest <= v_cut then greatest(x.newest, v_newest) else x.newest end,
            -- What should be gone and is too young, or is only there for its keys, is looked at again soon.
            due = greatest(v_due, v_now + 20000000)
        where x.id = v_topic.id;
    end loop;
    delete from sse.log l where l.pos = any (array(
        select x.pos from sse.log x where x.kind <> 0 and x.pos <= v_window order by x.pos limit p_limit));
    get diagnostics v_rows = row_count;
    v_done := v_done + v_rows;
    delete from sse.once o where o.ctid = any (array(
        select x.ctid from sse.once x where x.gone < now() - interval '1 hour' order by x.gone limit p_limit));
    get diagnostics v_rows = row_count;
    v_done := v_done + v_rows;
    -- A day of batches, and always the newest: by them a lost tail is known.
    delete from sse.batch b where b.pos = any (array(
        select x.pos from sse.batch x where x.pos < least(v_now - 86400000000, sse.last()) order by x.pos limit p_limit));
    get diagnostics v_rows = row_count;
    return case when v_topics = 500 or v_seen = p_limit then p_limit
                else least(greatest(v_done + v_rows, v_seen, v_topics), p_limit - 1) end;
end $$;

-- Heads that have outlived their events go. Under the lock, since a batch may just have found one of them.
create or replace function sse.bury_topics(p_limit int) returns int language plpgsql volatile
set lock_timeout = '2s' set enable_seqscan = off set jit = off as $$
declare
    v_done int;
    -- Retention puts off what is over by less than this.
    v_soon bigint := sse.clock() + 30000000;
begin
    if not exists (select from sse.topic t where t.due <= v_soon) then
        return 0;
    end if;
    perform sse.lock();
    with old as (
        delete from sse.topic t where t.id = any (array(
            select x.id from sse.topic x
            where x.due <= v_soon
              and greatest(x.last, x.newest) + 2 * greatest(x.age, 600000000) <= sse.clock()
              and not exists (select from sse.log l where l.topic = x.id and l.kind = 0)
              and not exists (select from sse.once o where o.topic = x.id)
            order by x.due limit p_limit))
        returning greatest(t.last, t.newest) as last
    ), noted as (
        update sse.meta m set forgotten = greatest(m.forgotten, (select max(old.last) from old))
        where exists (select from old)
    )
    select count(*) into v_done from old;
    return v_done;
end $$;
