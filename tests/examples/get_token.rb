# ruby get_token.rb CREDENTIAL: one request to the API, with the token that purserd gives. No gems.
require 'json'
require 'net/http'
require 'socket'

def get_token(**parameters)
  UNIXSocket.open(ENV.fetch('PURSER_SOCKET', '/run/purser/purser.sock')) do |purser|
    purser.write(JSON.generate(method: 'io.purser.Tokens.GetToken', parameters: parameters), "\0")
    reply = JSON.parse(purser.gets("\0", chomp: true) || abort('purserd hung up'))
    abort "#{reply['error']}: #{reply['parameters']}" if reply['error']
    reply['parameters']
  end
end

def ask(bundle, query)
  headers = bundle['headers'].to_h { |header| header.values_at('name', 'value') }
  Net::HTTP.post(URI(bundle['api_url']), JSON.generate(query: query), headers.merge('Content-Type' => 'application/json'))
end

bundle = get_token(credential: ARGV[0])
response = ask(bundle, '{ account { id name } }')
if response.code == '401'
  bundle = get_token(credential: ARGV[0], rejected: bundle['access_token'])
  response = ask(bundle, '{ account { id name } }')
end
puts response.body
exit response.is_a?(Net::HTTPSuccess)
