local names, seen = {}, {}
for _, listener in ipairs(call('HKEYS', ns .. 'q:listeners')) do
  for _, name in ipairs(call('HKEYS', ns .. 'q:hears:' .. listener)) do
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
end
return names
