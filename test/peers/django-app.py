"""An app as Django's own guide makes it: its users in a database, rolling sessions, and the view of the recipe."""

import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="the-secret-of-an-app",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SESSION_SAVE_EVERY_REQUEST=True,
)
django.setup()

from django.contrib.auth import get_user_model, login, logout
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path


def sign_in(request):
    email = request.GET["email"]
    user, _ = get_user_model().objects.get_or_create(username=email, email=email)
    login(request, user)
    return HttpResponse()


def sign_out(request):
    logout(request)
    return HttpResponse()


def me(request):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return JsonResponse({"sub": str(request.user.pk), "email": request.user.email})


urlpatterns = [path("sign-in", sign_in), path("sign-out", sign_out), path("me", me)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
server = make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), handler_class=Quiet)
print("listening", flush=True)
server.serve_forever()
