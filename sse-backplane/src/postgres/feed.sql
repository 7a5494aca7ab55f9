-- What came after a position, of topics whose slot is set in a bitmap; and where the store stands, always, as of the same moment.
-- $1 position, $2 bitmap, $3 how many records, $4 how many bytes of bodies.
--
-- Written so that the log is walked from the position on and each topic looked up by its id, and planned once: any other way costs as
-- much as there are topics. A statement and no function: to call one takes as long as to read a record.
select m.epoch, m.last, r.pos, r.name as topic, r.prev, r.kind, r.body, r.once, r.holder
from (
    select (select x.epoch from sse.meta x where x.one) as epoch,
           coalesce((select b.pos from sse.batch b order by b.pos desc limit 1), 0) as last
    offset 0
) m
left join lateral (
    select x.*, sum(x.size) over (order by x.pos) - x.size as before
    from (
        select l.*, t.name, coalesce(octet_length(l.body), 0)::bigint as size
        from (select l.* from sse.log l where l.pos > $1 and l.pos <= m.last order by l.pos offset 0) l
        cross join lateral (select t.name, t.slot from sse.topic t where t.id = l.topic offset 0) t
        where get_bit($2, t.slot) = 1
        order by l.pos limit $3
    ) x
) r on r.before < $4
order by r.pos
