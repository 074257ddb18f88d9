<?php

// An app as Laravel's guides make it: users in a database, sessions in files, and the route of the recipe. Debian has
// the framework without the skeleton of an app, so this file sets up what the skeleton would.

require 'Illuminate/autoload.php';

use Illuminate\Contracts;
use Illuminate\Foundation;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Facade;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Schema;

// The framework is older than this PHP.
error_reporting(E_ALL & ~E_DEPRECATED);

class User extends Foundation\Auth\User
{
    protected $guarded = [];
    public $timestamps = false;
}

class Kernel extends Foundation\Http\Kernel
{
    protected $bootstrappers = [];
    protected $middlewareGroups = ['web' => [
        Illuminate\Cookie\Middleware\EncryptCookies::class,
        Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse::class,
        Illuminate\Session\Middleware\StartSession::class,
    ]];
    protected $routeMiddleware = ['auth' => Illuminate\Auth\Middleware\Authenticate::class];
}

$folder = $_SERVER['DOCUMENT_ROOT'];
$settings = [
    'app' => ['key' => str_repeat('k', 32), 'cipher' => 'AES-256-CBC'],
    'auth' => [
        'defaults' => ['guard' => 'web'],
        'guards' => ['web' => ['driver' => 'session', 'provider' => 'users']],
        'providers' => ['users' => ['driver' => 'eloquent', 'model' => User::class]],
    ],
    'database' => [
        'default' => 'sqlite',
        'connections' => ['sqlite' => ['driver' => 'sqlite', 'database' => "$folder/users", 'prefix' => '']],
    ],
    'session' => [
        'driver' => 'file',
        'files' => $folder,
        'cookie' => 'laravel_session',
        'lifetime' => 120,
        'expire_on_close' => false,
        'lottery' => [0, 1],
        'path' => '/',
        'domain' => null,
        'secure' => false,
    ],
    'view' => ['paths' => [], 'compiled' => $folder],
];

$app = new Foundation\Application($folder);
$app->instance('config', new Illuminate\Config\Repository($settings));
$app->singleton(Contracts\Http\Kernel::class, Kernel::class);
$app->singleton(Contracts\Debug\ExceptionHandler::class, Foundation\Exceptions\Handler::class);
Facade::setFacadeApplication($app);
$app->register(Illuminate\Auth\AuthServiceProvider::class);
$app->register(Illuminate\Cookie\CookieServiceProvider::class);
$app->register(Illuminate\Database\DatabaseServiceProvider::class);
$app->register(Illuminate\Encryption\EncryptionServiceProvider::class);
$app->register(Illuminate\Filesystem\FilesystemServiceProvider::class);
$app->register(Illuminate\Hashing\HashServiceProvider::class);
$app->register(Illuminate\Session\SessionServiceProvider::class);
$app->register(Illuminate\View\ViewServiceProvider::class);
$app->boot();

// PHP's server runs this file for each request.
if (touch("$folder/users") && !Schema::hasTable('users')) {
    Schema::create('users', function ($table) {
        $table->id();
        $table->string('email');
        $table->timestamp('email_verified_at')->nullable();
        $table->rememberToken();
    });
}

Route::middleware('web')->group(function () {
    Route::get('/sign-in', fn (Request $request) => auth()->login(User::create([
        'email' => $request->query('email'),
        'email_verified_at' => $request->query('verified') === 'no' ? null : now(),
    ])));
    Route::get('/sign-out', function (Request $request) {
        auth()->logout();
        $request->session()->invalidate();
    });
    Route::get('/login', fn () => 'the sign-in form')->name('login');
    Route::get('/me', fn () => [
        'sub' => (string) auth()->id(),
        'email' => auth()->user()->email,
        'email_verified' => auth()->user()->hasVerifiedEmail(),
    ])->middleware('auth');
});
Route::getRoutes()->refreshNameLookups();

$kernel = $app->make(Contracts\Http\Kernel::class);
$request = Request::capture();
$kernel->terminate($request, $kernel->handle($request)->send());
