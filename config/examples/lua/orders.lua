-- What the scripts of lua.json share.

-- Refuses an event that can never work, and tells the backends whose it is.
function check(request)
  local order = json.decode(request:body())
  local customer = order:get("customer")
  if type(customer) ~= "string" then
    custom_error("an order needs a customer", 422)
  end
  request:headers("X-Customer", customer)
end

function order_id(body)
  return "order-" .. json.decode(body):get("id")
end
