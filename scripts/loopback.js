// Preloaded with `node -r`: servers that know no listen address listen on 127.0.0.1 only.
'use strict'
const net = require('net')
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'number' || typeof args[0] === 'string') {
    const rest = typeof args[1] === 'string' ? args.slice(2) : args.slice(1)
    return listen.call(this, Number(args[0]), '127.0.0.1', ...rest)
  }
  if (args[0] && typeof args[0] === 'object' && args[0].port !== undefined) {
    return listen.call(this, { ...args[0], host: '127.0.0.1' }, ...args.slice(1))
  }
  return listen.apply(this, args)
}
