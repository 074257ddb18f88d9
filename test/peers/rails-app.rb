# An app as Rails makes it: sessions in an encrypted cookie, and https alone, which the proxy in front speaks.

require "action_controller/railtie"
require "puma"
require "puma/server"

class App < Rails::Application
  config.root = __dir__
  config.eager_load = false
  config.force_ssl = true
  config.hosts << "127.0.0.1"
  config.logger = Logger.new(nil)
  config.secret_key_base = "the secret of an app" * 4
  config.session_store :cookie_store, key: "_app_session"
  routes.append do
    get "sign-in", to: "sessions#create"
    get "sign-out", to: "sessions#destroy"
    get "me", to: "sessions#show"
  end
end

User = Struct.new(:id, :email)

class SessionsController < ActionController::Base
  def create
    reset_session
    session[:email] = params[:email]
    head :ok
  end

  def destroy
    reset_session
    head :ok
  end

  def show
    return head :unauthorized unless current_user
    render json: { sub: current_user.id.to_s, email: current_user.email }
  end

  private

  def current_user
    User.new("user of #{session[:email]}", session[:email]) if session[:email]
  end
end

App.initialize!
server = Puma::Server.new(App, Puma::Events.null)
server.add_tcp_listener("127.0.0.1", ARGV[0].to_i)
server.run
puts "listening"
$stdout.flush
sleep
