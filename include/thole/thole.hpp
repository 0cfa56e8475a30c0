// SPDX-License-Identifier: BSL-1.0
/// \file
/// All of thole.
#pragma once

#include <thole/await.hpp>
#include <thole/callback.hpp>
#include <thole/connection.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/error.hpp>
#include <thole/event.hpp>
#include <thole/first_data.hpp>
#include <thole/fixed_list.hpp>
#include <thole/loop.hpp>
#include <thole/operation.hpp>
#include <thole/queue.hpp>
#include <thole/resolve.hpp>
#include <thole/result.hpp>
#include <thole/scope.hpp>
#include <thole/server.hpp>
#include <thole/signal_set.hpp>
#include <thole/task.hpp>
#include <thole/tcp.hpp>
#include <thole/timer.hpp>
#include <thole/version.hpp>
#include <thole/when.hpp>
#include <thole/with_deadline.hpp>
